"""/runs: history, one run, its log, cancel, retry."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.errors import UnknownRunError
from chalicelib.model.runs import Run, RunState
from chalicelib.store import history
from chalicelib.store.database import Tx

from . import run_log, serializers
from .query import Query
from .routing import AT_MOST, as_json, current_request, get, post, sent_bytes

blueprint = Blueprint(__name__)


@get(blueprint, "/runs")
def runs() -> dict[str, Any]:
    """List runs from the newest to the oldest; fewer than asked for where their results are large."""
    call = current_request()
    query = Query(call.request, "job_id", "state", "since", "limit", "after")
    limit = query.whole("limit", low=1, high=1000, default=50)
    with call.sauron.store.read() as tx:
        found = history.runs(
            tx,
            job_id=query.text("job_id"),
            states=query.among("state", RunState),
            since=query.instant("since"),
            limit=limit,
            after=query.run_id("after"),
        )
        items: list[dict[str, Any]] = []
        size = 0
        for run in found:
            item = _written(tx, run)
            size += sent_bytes(as_json(item).body)
            if size > AT_MOST and items:
                break
            items.append(item)
    whole = len(items) == len(found) < limit
    return serializers.page_of("runs", items, next_after=None if whole else items[-1]["id"])


@get(blueprint, "/runs/{run_id}")
def run(run_id: str) -> dict[str, Any]:
    """Return one run with its attempts."""
    with current_request().sauron.store.read() as tx:
        return _written(tx, existing(tx, run_id))


@get(blueprint, "/runs/{run_id}/log")
def log(run_id: str) -> Response:
    """Return what the run wrote, or what it wrote after a position."""
    call = current_request()
    after = Query(call.request, "after").whole("after", low=0, high=2**62, default=0)
    return log_response(run_id, after=after)


def log_response(run_id: str, *, after: int) -> Response:
    """Return a log as plain text. Its state is read before its text: a final state means that the text is whole."""
    with current_request().sauron.store.read() as tx:
        found = existing(tx, run_id)
        written = run_log.read(tx, found, after=after)
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Next-After": str(written.last),
        "X-Run-State": found.state,
        **({"X-More": "true"} if written.more else {}),
    }
    return Response(body=written.text, headers=headers)


@post(blueprint, "/runs/{run_id}/cancel")
def cancel(run_id: str) -> dict[str, Any]:
    """End a queued run, or have a running one's processes ended."""
    call = current_request()
    found = call.sauron.operations.cancel(run_id, by=call.by)
    with call.sauron.store.read() as tx:
        return {"run_id": found.id, **_written(tx, found)}


@post(blueprint, "/runs/{run_id}/retry")
def retry(run_id: str) -> dict[str, Any]:
    """Queue a new run with the params of one that is over."""
    call = current_request()
    made = call.sauron.operations.retry(run_id, by=call.by)
    return {"run_id": made.id, "job_id": made.job_id, "retry_of": run_id}


def existing(tx: Tx, run_id: str) -> Run:
    """Return a run. Raises UnknownRunError."""
    found = history.run(tx, run_id)
    if found is None:
        raise UnknownRunError(run_id)
    return found


def _written(tx: Tx, found: Run) -> dict[str, Any]:
    return serializers.run(found, history.attempts_of(tx, found.id) if found.attempt else [])
