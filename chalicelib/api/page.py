"""The page for people: `/`, a run's page, and the forms on them.

Forms post to `/ui/...` and are answered 303 back to a page, so that reloading repeats nothing. What was done
is told by a code in the address, never by text from it.
"""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.cron.describe import describe
from chalicelib.model.jobs import Job
from chalicelib.model.runs import UNFINISHED, Run
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.store import history, registry
from chalicelib.store.database import Tx
from chalicelib.web.rendering import render

from . import run_log, status_report
from .auth import is_open
from .health import warnings
from .query import RUN_ID, Query
from .routing import current_request, get, post
from .runs import existing, log_response

blueprint = Blueprint(__name__)

LATEST = 25
LOG_TAIL = 64 * 1024

_TOLD = {
    "triggered": "The run is queued.",
    "enabled": "The job is on.",
    "disabled": "The job is off. What runs already runs on.",
    "cancelled": "The run is being ended.",
    "retried": "A new run with the same params is queued.",
    "synced": "The bundle is synced.",
    "unsynced": "The sync did not work.",
}


@get(blueprint, "/")
def home() -> Response:
    """Show whether all is well, the jobs and the latest runs."""
    call = current_request()
    sauron = call.sauron
    query = Query(call.request, "did", "run")
    run = query.text("run")
    with sauron.store.read() as tx:
        found = status_report.look(sauron, tx)
        jobs = sorted(registry.all_jobs(tx), key=lambda job: job.spec.builtin)
        last = history.last_runs(tx, [job.id for job in jobs])
        latest = history.runs(tx, limit=LATEST)
    own = [job for job in jobs if not job.spec.builtin]
    on = sum(job.enabled for job in own)
    return _page(
        "home.html",
        now=found.now,
        told=_TOLD.get(query.text("did") or ""),
        told_run=run if run and RUN_ID.fullmatch(run) else None,
        faults=status_report.faults(found, jobs, last, sauron.settings),
        summary=f"{on} of {len(own)} jobs are on, {found.counts['running']} running now."
        if own
        else "There are no jobs yet.",
        notices=warnings(is_open(sauron.settings), ()),
        jobs=[_line(job, last.get(job.id), found) for job in jobs],
        runs=latest,
        git=status_report.git_sync(sauron.settings, found.state, found.revision),
        last_sync=found.state.last_sync,
    )


@get(blueprint, "/ui/runs/{run_id}")
def run_page(run_id: str) -> Response:
    """Show one run: its attempts, its error, the end of its log."""
    call = current_request()
    told = _TOLD.get(Query(call.request, "did", "run").text("did") or "")
    with call.sauron.store.read() as tx:
        run = existing(tx, run_id)
        attempts = history.attempts_of(tx, run.id)
        log = _end_of_log(tx, run)
    return _page(
        "run.html",
        now=call.sauron.clock.now(),
        told=told,
        run=run,
        unfinished=run.state in UNFINISHED,
        attempts=attempts,
        log=log[-LOG_TAIL:],
        log_cut=len(log) > LOG_TAIL,
    )


@get(blueprint, "/ui/runs/{run_id}/log")
def run_log_page(run_id: str) -> Response:
    """Return a run's log as plain text to a browser that signed in to the page; a long one says where it goes on."""
    call = current_request()
    answer = log_response(
        run_id, after=Query(call.request, "after").whole("after", low=0, high=2**62, default=0)
    )
    if "X-More" in answer.headers:
        rest = f"{call.mount}/ui/runs/{run_id}/log?after={answer.headers['X-Next-After']}"
        answer.body += f"\n[... it goes on at {rest} ...]\n"
    return answer


def _end_of_log(tx: Tx, run: Run) -> str:
    """Return the last LOG_TAIL characters of a log, and one more if there are more."""
    part = run_log.read(tx, run)
    end = part.text[-LOG_TAIL - 1 :]
    while part.more:
        part = run_log.read(tx, run, after=part.last)
        end = (end + part.text)[-LOG_TAIL - 1 :]
    return end


@post(blueprint, "/ui/jobs/{job_id}/trigger")
def trigger(job_id: str) -> Response:
    """Run a job now."""
    call = current_request()
    return _back("/", "triggered", run=call.sauron.operations.trigger(job_id, TriggerRequest(by=call.by)).id)


@post(blueprint, "/ui/jobs/{job_id}/enable")
def enable(job_id: str) -> Response:
    """Turn a job on."""
    call = current_request()
    call.sauron.operations.enable(job_id, SwitchRequest(by=call.by))
    return _back("/", "enabled")


@post(blueprint, "/ui/jobs/{job_id}/disable")
def disable(job_id: str) -> Response:
    """Turn a job off."""
    call = current_request()
    call.sauron.operations.disable(job_id, SwitchRequest(by=call.by))
    return _back("/", "disabled")


@post(blueprint, "/ui/runs/{run_id}/cancel")
def cancel(run_id: str) -> Response:
    """End a run."""
    call = current_request()
    return _back(f"/ui/runs/{call.sauron.operations.cancel(run_id, by=call.by).id}", "cancelled")


@post(blueprint, "/ui/runs/{run_id}/retry")
def retry(run_id: str) -> Response:
    """Run again what is over."""
    call = current_request()
    return _back(f"/ui/runs/{call.sauron.operations.retry(run_id, by=call.by).id}", "retried")


@post(blueprint, "/ui/sync")
def sync() -> Response:
    """Sync the bundle now."""
    call = current_request()
    return _back("/", "synced" if call.sauron.sync_requests.sync(by=call.by).success else "unsynced")


def _line(job: Job, last: Run | None, found: status_report.Condition) -> dict[str, Any]:
    fires = job.next_fires(now=found.now, count=1)
    words = describe(job.spec.cron, job.spec.timezone)
    return {"job": job, "last": last, "next": fires[0] if fires else None, "words": words}


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
