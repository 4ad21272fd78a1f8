"""/runs: the history, one run, its log, cancel, retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib.model.pools import Waiting
from chalicelib.model.runs import Run, RunState, ids_with
from chalicelib.store import history
from chalicelib.store.database import Tx
from chalicelib.store.queue import pools

from . import parameters, run_log, serializers
from .query import RUN_ID, Query
from .response_size import sent_bytes, take_within
from .routing import TEXT, as_json, current_request, get, post

if TYPE_CHECKING:
    from .bodies import ReasonBody, RetryBody

blueprint = Blueprint(__name__)


JOB_ID = parameters.text("job_id", "Only runs of this job.")
STATE = parameters.among("state", "Only runs in one of these states.", RunState)
SINCE = parameters.instant("since", "Only runs that were due at this instant or later.")
LIMIT = parameters.whole("limit", "At most so many runs.", low=1, high=1000, default=50)
AFTER = parameters.run_id("after", "The `next_after` of the page before.")
POSITION = parameters.whole("after", "Only what follows this position.", low=0, high=2**62, default=0)
LOG_HEADERS = {
    "X-Next-After": "Send it as `after` to read what follows.",
    "X-Run-State": "The run's state; with a final one the text is complete.",
    "X-More": "There when more is stored already than fits into one response.",
}


@get(blueprint, "/runs", query=(JOB_ID, STATE, SINCE, LIMIT, AFTER), returns="RunPage")
def runs() -> dict[str, Any]:
    """List runs from the newest to the oldest; fewer than `limit` if their results are large."""
    current = current_request()
    query = current.query
    limit = LIMIT.of(query)
    with current.sauron.store.read() as tx:
        found = history.runs(
            tx,
            job_id=JOB_ID.of(query),
            states=STATE.of(query),
            since=SINCE.of(query),
            limit=limit,
            after=_after(tx, query),
        )
        full = _full_pools(tx, found)
        written = (_with_attempts(tx, run, full) for run in found)
        items, cut = take_within(written, size=lambda item: sent_bytes(as_json(item).body))
    more = cut or len(found) == limit
    return serializers.page_of("runs", items, next_after=items[-1]["id"] if more else None)


@get(blueprint, "/runs/{run_id}", returns="Run", refuses=(404, 409))
def run(run_id: str) -> dict[str, Any]:
    """Return one run with its attempts."""
    with current_request().sauron.store.read() as tx:
        found = history.find(tx, run_id)
        return _with_attempts(tx, found, _full_pools(tx, [found]))


@get(blueprint, "/runs/{run_id}/log", query=(POSITION,), returns=TEXT, refuses=(404, 409), sends=LOG_HEADERS)
def log(run_id: str) -> Response:
    """Return the log of a run, or the part after a position."""
    return log_response(run_id, after=POSITION.of(current_request().query))


def log_response(run_id: str, *, after: int) -> Response:
    """Return a log as plain text.

    The state is read before the text: with a final state in `X-Run-State` the text is complete.
    """
    with current_request().sauron.store.read() as tx:
        found = history.find(tx, run_id)
        page = run_log.read(tx, found, after=after)
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Next-After": str(page.last),
        "X-Run-State": found.state,
        **({"X-More": "true"} if page.more else {}),
    }
    return Response(body=page.text, headers=headers)


@post(blueprint, "/runs/{run_id}/cancel", body="ReasonBody", returns="Cancelled", refuses=(404, 409))
def cancel(run_id: str, body: ReasonBody) -> dict[str, Any]:  # noqa: ARG001 - the audit log keeps it
    """Cancel a queued run, or stop the processes of a running one."""
    current = current_request()
    found = current.sauron.operations.cancel(run_id, by=current.by)
    with current.sauron.store.read() as tx:
        return {"run_id": found.id, **_with_attempts(tx, found, {})}


@post(blueprint, "/runs/{run_id}/retry", body="RetryBody", returns="Retried", refuses=(404, 409))
def retry(run_id: str, body: RetryBody) -> dict[str, Any]:
    """Queue a new run with the params of a finished one."""
    current = current_request()
    with current.sauron.store.read() as tx:
        former = history.find(tx, run_id)
    made = current.sauron.operations.retry(former.id, by=current.by, force=body.force)
    return {"run_id": made.id, "job_id": made.job_id, "retry_of": former.id}


def _after(tx: Tx, query: Query) -> str | None:
    """Return the run after which a page begins; its id may be given by its first letters."""
    given = query.text("after")
    if given is None or RUN_ID.fullmatch(given) or ids_with(given) is None:
        return AFTER.of(query)
    return history.find(tx, given).id


def _full_pools(tx: Tx, found: Sequence[Run]) -> dict[str, Waiting]:
    """Return the full pools that some of these runs wait for."""
    now = current_request().sauron.clock.now()
    waiting = {run.pool for run in found if run.state is RunState.QUEUED and run.due_at <= now and run.pool}
    return pools.waiting(tx, waiting)


def _with_attempts(tx: Tx, found: Run, full: Mapping[str, Waiting]) -> dict[str, Any]:
    """Return a run as JSON; `full` are the pools without room."""
    due = found.state is RunState.QUEUED and found.due_at <= current_request().sauron.clock.now()
    attempts = history.attempts_of(tx, found.id) if found.attempt else []
    return serializers.run(found, attempts, full.get(found.pool or "") if due else None)
