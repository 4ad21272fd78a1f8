import logging
import os

from zerg.jobs import get_manifest_metadata
from zerg.jobs.ops_db import emit_job_run, get_scheduler_name, is_job_queue_db_enabled
from zerg.jobs.registry import job_registry
from zerg.shared.ssh import run_ssh_command, test_ssh_connection

logger = logging.getLogger(__name__)
HOST = os.environ.get("BACKUP_HOST", "none")  # older bundles read their settings when they are imported


async def run():
    logger.info("backup of %s", HOST)
    ok, _out, err, code = run_ssh_command("127.0.0.1", "true", user="nobody", port=9, timeout=5)
    reachable = test_ssh_connection("127.0.0.1", user="nobody", port=9, timeout=5)
    emit_job_run(job_id="backup", status="success", duration_ms=1)
    await emit_job_run(job_id="backup", status="success", duration_ms=1)
    return {
        "status": "partial",
        "host": HOST,
        "scheduler": get_scheduler_name(),
        "queue": is_job_queue_db_enabled(),
        "metadata": get_manifest_metadata("backup"),
        "unknown": get_manifest_metadata("no-such-job"),
        "jobs": [config.id for config in job_registry.list_jobs(enabled_only=True)],
        "ssh": [ok, code, bool(err), reachable],
    }
