"""`zerg.jobs.ops_db`, as older bundles import it.

Sauron publishes every run itself, so nothing is written here.
"""

import logging
import os

_log = logging.getLogger(__name__)


def emit_job_run(*_values: object, **facts: object) -> None:
    """Log what a job reports about its own run. Sauron records the run in any case."""
    _log.info(
        "job run reported by the job itself: %s",
        ", ".join(f"{name}={value!r:.200}" for name, value in facts.items()),
    )


def get_scheduler_name() -> str:
    """Return the name under which this Sauron publishes."""
    return os.environ.get("JOB_SCHEDULER_NAME") or "sauron"


__all__ = ["emit_job_run", "get_scheduler_name"]
