"""The forms of the pages.

Each posts to `/ui/...` and gets a 303 back to a page, so that a reload repeats nothing.
"""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.api.routing import current_request, post
from chalicelib.operations.operations import SwitchRequest, TriggerRequest

from .frame import back

blueprint = Blueprint(__name__)


@post(blueprint, "/ui/jobs/{job_id}/trigger")
def trigger(job_id: str) -> Response:
    """Run a job now."""
    current = current_request()
    return back(
        "/", "triggered", run=current.sauron.operations.trigger(job_id, TriggerRequest(by=current.by)).id
    )


@post(blueprint, "/ui/jobs/{job_id}/enable")
def enable(job_id: str) -> Response:
    """Enable a job."""
    current = current_request()
    current.sauron.operations.enable(job_id, SwitchRequest(by=current.by))
    return back("/", "enabled")


@post(blueprint, "/ui/jobs/{job_id}/disable")
def disable(job_id: str) -> Response:
    """Disable a job."""
    current = current_request()
    current.sauron.operations.disable(job_id, SwitchRequest(by=current.by))
    return back("/", "disabled")


@post(blueprint, "/ui/runs/{run_id}/cancel")
def cancel(run_id: str) -> Response:
    """Cancel a run."""
    current = current_request()
    return back(f"/ui/runs/{current.sauron.operations.cancel(run_id, by=current.by).id}", "cancelled")


@post(blueprint, "/ui/runs/{run_id}/retry")
def retry(run_id: str) -> Response:
    """Queue a new run like a finished one."""
    current = current_request()
    return back(f"/ui/runs/{current.sauron.operations.retry(run_id, by=current.by).id}", "retried")


@post(blueprint, "/ui/sync")
def sync() -> Response:
    """Sync the bundle now."""
    current = current_request()
    return back("/", "synced" if current.sauron.sync_requests.sync(by=current.by).success else "unsynced")
