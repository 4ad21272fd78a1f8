"""The end of an attempt as one conditional write that both stores make.

A run that was cancelled meanwhile is not tried again, whatever the end says: the row decides.
An end that does not hold the lease's owner and generation changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, null, update
from sqlalchemy.sql.dml import ReturningUpdate

from chalicelib.model.runs import Outcome, Run, RunState, Verdict
from chalicelib.store.schema import RUNNING, attempts, job_queue, word
from chalicelib.text import storable

ERROR_CHARS = 5000
ERROR_TYPE_CHARS = 255

_q = job_queue.c
_a = attempts.c
_FINAL_STATE = {outcome: RunState(outcome) for outcome in Outcome if outcome is not Outcome.INTERRUPTED} | {
    Outcome.INTERRUPTED: RunState.FAILED
}

HELD = and_(
    _q.id == bindparam("run", type_=_q.id.type),
    _q.state == RUNNING,
    _q.lease_owner == bindparam("owner", type_=_q.lease_owner.type),
    _q.lease_generation == bindparam("generation", type_=_q.lease_generation.type),
)
NOW = bindparam("now", type_=_q.finished_at.type)
_retry_at = bindparam("retry_at", type_=_q.due_at.type)
_error = bindparam("error", type_=_q.error.type)
_error_type = bindparam("error_type", type_=_q.error_type.type)
_cancelled = _q.cancel_reason.is_not(None)
# After the write. SQLite 3.40 answers wrongly when RETURNING asks whether cancel_reason is null.
_ended_cancelled = _q.state == word(RunState.CANCELLED)
_tried_again = _q.cancel_reason.is_(None)


def end_run(*, final: bool) -> ReturningUpdate[Any]:
    """Return the write, whose parameters are the keys of `values`; a `final` one has no `retry_at`.

    The row that it returns holds what the attempt is to say. A final end leaves the due time alone, and with
    it the indexes of due times.
    """
    changed = {
        "state": bindparam("to", type_=_q.state.type),
        "finished_at": NOW,
        "lease_owner": null(),
        "dispatched_until": null(),  # the message that brought this attempt is used up
        "error": _error,
        "error_type": _error_type,
        "result": bindparam("result", type_=_q.result.type),
    }
    outcome: ColumnElement[Any] = bindparam("outcome", type_=_a.outcome.type)
    if not final:
        changed |= {
            "state": case((_cancelled, word(RunState.CANCELLED)), else_=changed["state"]),
            "due_at": case((_tried_again, _retry_at), else_=_q.due_at),
            "finished_at": case((_tried_again, null()), else_=NOW),
            "error": case((_cancelled, _q.cancel_reason), else_=_error),
            "error_type": case((_cancelled, word("cancelled")), else_=_error_type),
        }
        outcome = case((_ended_cancelled, word(Outcome.CANCELLED)), else_=outcome)
    said = (_q.id, _q.error, _q.error_type, outcome.label("outcome"))
    return update(job_queue).where(HELD).values(**changed).returning(*said)


def values(
    run: Run, verdict: Verdict, *, owner: str, now: datetime, retry_at: datetime | None
) -> dict[str, Any]:
    """Return the parameters that write an attempt's end: final, or queued again for `retry_at`."""
    return {
        "run": run.id,
        "owner": owner,
        "generation": run.lease_generation,
        "to": (RunState.QUEUED if retry_at else _FINAL_STATE[verdict.outcome]).value,
        "retry_at": retry_at,
        "now": now,
        "error": _text(verdict.error, ERROR_CHARS),
        "error_type": _text(verdict.error_type, ERROR_TYPE_CHARS),
        "result": storable(verdict.result),
        "outcome": Outcome(verdict.outcome).value,
        "nth": run.attempt,
        "code": verdict.exit_code,
        "sig": verdict.signal,
        "rss": verdict.max_rss_kb,
        "cpu": verdict.cpu_seconds,
    }


# What an attempt has to say about its process; its outcome and error are those that `end_run` returned.
OF_THE_PROCESS = {
    "finished_at": NOW,
    "exit_code": bindparam("code", type_=_a.exit_code.type),
    "signal": bindparam("sig", type_=_a.signal.type),
    "max_rss_kb": bindparam("rss", type_=_a.max_rss_kb.type),
    "cpu_seconds": bindparam("cpu", type_=_a.cpu_seconds.type),
}
NUMBER = bindparam("nth", type_=_a.number.type)


def _text(value: str | None, most: int) -> str | None:
    return str(storable(value))[:most] if value else None
