"""/runs: the history, one run, its log, cancel, retry."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.errors import UnknownRunError
from chalicelib.model.runs import Run, RunState
from chalicelib.store import history
from chalicelib.store.database import Tx

from . import run_log, serializers
from .query import Query
from .response_size import sent_bytes, take_within
from .routing import as_json, current_request, get, post

blueprint = Blueprint(__name__)


@get(blueprint, "/runs")
def runs() -> dict[str, Any]:
    """List runs from the newest to the oldest; fewer than `limit` if their results are large."""
    current = current_request()
    query = Query(current.request, "job_id", "state", "since", "limit", "after")
    limit = query.whole("limit", low=1, high=1000, default=50)
    with current.sauron.store.read() as tx:
        found = history.runs(
            tx,
            job_id=query.text("job_id"),
            states=query.among("state", RunState),
            since=query.instant("since"),
            limit=limit,
            after=query.run_id("after"),
        )
        written = (_with_attempts(tx, run) for run in found)
        items, cut = take_within(written, size=lambda item: sent_bytes(as_json(item).body))
    more = cut or len(found) == limit
    return serializers.page_of("runs", items, next_after=items[-1]["id"] if more else None)


@get(blueprint, "/runs/{run_id}")
def run(run_id: str) -> dict[str, Any]:
    """Return one run with its attempts."""
    with current_request().sauron.store.read() as tx:
        return _with_attempts(tx, existing(tx, run_id))


@get(blueprint, "/runs/{run_id}/log")
def log(run_id: str) -> Response:
    """Return the log of a run, or the part after a position."""
    current = current_request()
    after = Query(current.request, "after").whole("after", low=0, high=2**62, default=0)
    return log_response(run_id, after=after)


def log_response(run_id: str, *, after: int) -> Response:
    """Return a log as plain text.

    The state is read before the text: with a final state in `X-Run-State` the text is complete.
    """
    with current_request().sauron.store.read() as tx:
        found = existing(tx, run_id)
        page = run_log.read(tx, found, after=after)
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Next-After": str(page.last),
        "X-Run-State": found.state,
        **({"X-More": "true"} if page.more else {}),
    }
    return Response(body=page.text, headers=headers)


@post(blueprint, "/runs/{run_id}/cancel")
def cancel(run_id: str) -> dict[str, Any]:
    """Cancel a queued run, or stop the processes of a running one."""
    from .bodies import ReasonBody, read

    current = current_request()
    read(ReasonBody, current.request)  # the audit log keeps the reason
    found = current.sauron.operations.cancel(run_id, by=current.by)
    with current.sauron.store.read() as tx:
        return {"run_id": found.id, **_with_attempts(tx, found)}


@post(blueprint, "/runs/{run_id}/retry")
def retry(run_id: str) -> dict[str, Any]:
    """Queue a new run with the params of a finished one."""
    from .bodies import ReasonBody, read

    current = current_request()
    read(ReasonBody, current.request)  # the audit log keeps the reason
    made = current.sauron.operations.retry(run_id, by=current.by)
    return {"run_id": made.id, "job_id": made.job_id, "retry_of": run_id}


def existing(tx: Tx, run_id: str) -> Run:
    """Return a run. Raises UnknownRunError."""
    found = history.run(tx, run_id)
    if found is None:
        raise UnknownRunError(run_id)
    return found


def _with_attempts(tx: Tx, found: Run) -> dict[str, Any]:
    return serializers.run(found, history.attempts_of(tx, found.id) if found.attempt else [])
