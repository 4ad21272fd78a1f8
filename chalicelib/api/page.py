"""The pages for people: `/`, the page of a run, and their forms.

Forms post to `/ui/...` and get a 303 back to a page, so that a reload repeats nothing. A code in the address
says which message the page shows; text from the address is never shown.
"""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.cron.describe import describe
from chalicelib.model.jobs import Job
from chalicelib.model.runs import UNFINISHED, Run
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.store import history, registry
from chalicelib.terminal.screen import as_shown
from chalicelib.web.rendering import render

from . import run_log, status_report, vital_signs
from .auth import is_open
from .bundle import judged
from .health import warnings
from .query import RUN_ID, Query
from .routing import current_request, get, post
from .runs import existing, log_response

blueprint = Blueprint(__name__)

LATEST = 25
REMARKS_SHOWN = 10
LOG_TAIL = 64 * 1024

_MESSAGES = {
    "triggered": "The run is queued.",
    "enabled": "The job is enabled.",
    "disabled": "The job is disabled. Runs in progress go on.",
    "cancelled": "The run is being cancelled.",
    "retried": "A new run with the same params is queued.",
    "synced": "The bundle is synced.",
    "unsynced": "The sync failed. The bundle section below shows the reason.",
}


@get(blueprint, "/")
def home() -> Response:
    """Show what is wrong, if anything, the jobs and the latest runs."""
    current = current_request()
    sauron = current.sauron
    query = Query(current.request, "did", "run")
    run = query.text("run")
    with sauron.store.read() as tx:
        report = status_report.measure(sauron, tx)
        jobs = sorted(registry.all_jobs(tx), key=lambda job: job.spec.builtin)
        last = history.last_runs(tx, [job.id for job in jobs])
        latest = history.runs(tx, limit=LATEST)
    own = [job for job in jobs if not job.spec.builtin]
    enabled = sum(job.enabled for job in own)
    return _page(
        "home.html",
        now=report.now,
        message=_MESSAGES.get(query.text("did") or ""),
        message_run=run if run and RUN_ID.fullmatch(run) else None,
        problems=status_report.problems(report, sauron.settings, vital_signs.degraded(sauron.vitals)),
        worked=vital_signs.ages(sauron.vitals),
        summary=f"{enabled} of {len(own)} jobs are enabled. Runs in progress: {report.counts['running']}."
        if own
        else "There are no jobs yet.",
        notices=warnings(is_open(sauron.settings), ()),
        jobs=[_line(job, last.get(job.id), report) for job in jobs],
        runs=latest,
        git=status_report.git_sync(sauron.settings, report.state, report.revision),
        remarks=report.state.remarks[:REMARKS_SHOWN],
        last_sync=report.state.last_sync,
    )


@get(blueprint, "/ui/runs/{run_id}")
def run_page(run_id: str) -> Response:
    """Show one run: its attempts, its error, the end of its log."""
    current = current_request()
    message = _MESSAGES.get(Query(current.request, "did", "run").text("did") or "")
    with current.sauron.store.read() as tx:
        run = existing(tx, run_id)
        attempts = history.attempts_of(tx, run.id)
        log, cut = run_log.tail(tx, run, characters=LOG_TAIL)
    return _page(
        "run.html",
        now=current.sauron.clock.now(),
        message=message,
        run=run,
        unfinished=run.state in UNFINISHED,
        attempts=attempts,
        log=log,
        log_cut=cut,
    )


@get(blueprint, "/ui/runs/{run_id}/log")
def run_log_page(run_id: str) -> Response:
    """Return a log as people see it to a browser; a long one ends with the address of the rest."""
    current = current_request()
    response = log_response(
        run_id, after=Query(current.request, "after").whole("after", low=0, high=2**62, default=0)
    )
    response.body = as_shown(response.body)
    if "X-More" in response.headers:
        rest = f"{current.mount}/ui/runs/{run_id}/log?after={response.headers['X-Next-After']}"
        response.body += f"\n[... continued at {rest} ...]\n"
    return response


@post(blueprint, "/ui/jobs/{job_id}/trigger")
def trigger(job_id: str) -> Response:
    """Run a job now."""
    current = current_request()
    return _back(
        "/", "triggered", run=current.sauron.operations.trigger(job_id, TriggerRequest(by=current.by)).id
    )


@post(blueprint, "/ui/jobs/{job_id}/enable")
def enable(job_id: str) -> Response:
    """Enable a job."""
    current = current_request()
    current.sauron.operations.enable(job_id, SwitchRequest(by=current.by))
    return _back("/", "enabled")


@post(blueprint, "/ui/jobs/{job_id}/disable")
def disable(job_id: str) -> Response:
    """Disable a job."""
    current = current_request()
    current.sauron.operations.disable(job_id, SwitchRequest(by=current.by))
    return _back("/", "disabled")


@post(blueprint, "/ui/runs/{run_id}/cancel")
def cancel(run_id: str) -> Response:
    """Cancel a run."""
    current = current_request()
    return _back(f"/ui/runs/{current.sauron.operations.cancel(run_id, by=current.by).id}", "cancelled")


@post(blueprint, "/ui/runs/{run_id}/retry")
def retry(run_id: str) -> Response:
    """Queue a new run like a finished one."""
    current = current_request()
    return _back(f"/ui/runs/{current.sauron.operations.retry(run_id, by=current.by).id}", "retried")


@post(blueprint, "/ui/sync")
def sync() -> Response:
    """Sync the bundle now."""
    current = current_request()
    return _back(
        "/", "synced" if judged(current.sauron.sync_requests.sync(by=current.by)).success else "unsynced"
    )


def _line(job: Job, last: Run | None, report: status_report.StatusReport) -> dict[str, Any]:
    fires = job.next_fires(now=report.now, count=1)
    text = describe(job.spec.cron, job.spec.timezone)
    return {"job": job, "last": last, "next": fires[0] if fires else None, "schedule_text": text}


def _page(template: str, **values: Any) -> Response:
    text, headers = render(template, mount=current_request().mount, **values)
    return Response(body=text, headers=headers)


def _back(path: str, did: str, *, run: str | None = None) -> Response:
    about = f"&run={run}" if run else ""
    headers: dict[str, str | list[str]] = {
        "Location": f"{current_request().mount}{path}?did={did}{about}",
        "Content-Type": "text/plain; charset=utf-8",
    }
    return Response(body="", headers=headers, status_code=303)
