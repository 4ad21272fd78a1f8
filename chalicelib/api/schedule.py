"""/next and /audit: the runs to come, and whether every past occurrence is accounted for."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.answers import audit
from chalicelib.clock import iso
from chalicelib.errors import UnknownJobError
from chalicelib.store import registry

from . import parameters, serializers
from .routing import current_request, get

blueprint = Blueprint(__name__)


COUNT = parameters.whole("count", "So many fire times.", low=1, high=1000, default=10)
JOB_ID = parameters.text("job_id", "Only this job.")


@get(blueprint, "/next", query=(COUNT,), returns="UpcomingPage")
def list_upcoming() -> dict[str, Any]:
    """List the next fire times over all enabled jobs, soonest first."""
    current = current_request()
    count = COUNT.of(current.query)
    with current.sauron.store.read() as tx:
        fires = audit.upcoming(tx, now=current.sauron.clock.now(), count=count)
    items = [
        {"job_id": job.id, "cron": job.spec.cron, "timezone": job.spec.timezone, "next_run_at": iso(fire_at)}
        for job, fire_at in fires
    ]
    return serializers.page_of("next_runs", items)


@get(blueprint, "/audit", query=(JOB_ID,), returns="Audit", refuses=(404,))
def audit_ledger() -> dict[str, Any]:
    """Check the ledger against the schedules that were in force. Nothing is said of a damaged store."""
    current = current_request()
    current.sauron.store.examine()
    job_id = JOB_ID.of(current.query)
    with current.sauron.store.read() as tx:
        if job_id is not None and registry.job(tx, job_id) is None:
            raise UnknownJobError(job_id)
        return serializers.audit(audit.audit(tx, now=current.sauron.clock.now(), job_id=job_id))
