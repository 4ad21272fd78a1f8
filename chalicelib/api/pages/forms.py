"""The forms of the pages.

Each posts to `/ui/...` and gets a 303 back to a page, so that a reload repeats nothing.
"""

from __future__ import annotations

from urllib.parse import quote

from chalice.app import Blueprint, Response

from chalicelib.api.bundle import judged
from chalicelib.api.routing import current_request, post
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.operations.requests import find_job

from .form import PARAMS, Form
from .frame import back

blueprint = Blueprint(__name__)


@post(blueprint, "/ui/jobs/{job_id}/trigger")
def trigger(job_id: str) -> Response:
    """Run a job now, with the params and the reason of the form."""
    current = current_request()
    form = Form(current.request, PARAMS)
    with current.sauron.store.read() as tx:
        schema = find_job(tx, job_id).spec.params_schema
    request = TriggerRequest(params=form.params(schema), reason=form.text("reason"), by=current.by)
    return back(_page_of(job_id), "triggered", run=current.sauron.operations.trigger(job_id, request).id)


@post(blueprint, "/ui/jobs/{job_id}/enable")
def enable(job_id: str) -> Response:
    """Enable a job."""
    current = current_request()
    current.sauron.operations.enable(job_id, _switch(Form(current.request, "until", "tz"), current.by))
    return back(_page_of(job_id), "enabled")


@post(blueprint, "/ui/jobs/{job_id}/disable")
def disable(job_id: str) -> Response:
    """Disable a job."""
    current = current_request()
    current.sauron.operations.disable(job_id, _switch(Form(current.request, "until", "tz"), current.by))
    return back(_page_of(job_id), "disabled")


def _page_of(job_id: str) -> str:
    return f"/ui/jobs/{quote(job_id, safe='')}"


def _switch(form: Form, by: str | None) -> SwitchRequest:
    until = form.instant("until", zone=form.text("tz") or "UTC")
    return SwitchRequest(reason=form.text("reason"), until=until, by=by)


@post(blueprint, "/ui/runs/{run_id}/cancel")
def cancel(run_id: str) -> Response:
    """Cancel a run."""
    current = current_request()
    Form(current.request)  # the audit log keeps the reason
    return back(f"/ui/runs/{current.sauron.operations.cancel(run_id, by=current.by).id}", "cancelled")


@post(blueprint, "/ui/runs/{run_id}/retry")
def retry(run_id: str) -> Response:
    """Queue a new run like a finished one."""
    current = current_request()
    Form(current.request)  # the audit log keeps the reason
    return back(f"/ui/runs/{current.sauron.operations.retry(run_id, by=current.by).id}", "retried")


@post(blueprint, "/ui/unpause")
def unpause() -> Response:
    """Let runs start again."""
    current = current_request()
    Form(current.request)  # the audit log keeps the reason
    current.sauron.operations.unpause(by=current.by)
    return back("/", "unpaused")


@post(blueprint, "/ui/sync")
def sync() -> Response:
    """Sync the bundle now."""
    current = current_request()
    Form(current.request)  # the audit log keeps the reason
    return back(
        "/", "synced" if judged(current.sauron.sync_requests.sync(by=current.by)).success else "unsynced"
    )
