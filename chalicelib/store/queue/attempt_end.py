"""The end of an attempt as one conditional write that both stores make.

A run that was cancelled meanwhile is not tried again, whatever the end says: the row decides.
An end that does not hold the lease's owner and generation changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, null, update

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
_cancelled = and_(_retry_at.is_not(None), _q.cancel_reason.is_not(None))
# After the write. SQLite 3.40 answers wrongly when RETURNING asks whether cancel_reason is null.
_ended_cancelled = and_(_retry_at.is_not(None), _q.state == word(RunState.CANCELLED))
_tried_again = and_(_retry_at.is_not(None), _q.cancel_reason.is_(None))

# Parameters are the keys of `values`. The row that is returned holds what the attempt is to say.
END_RUN = (
    update(job_queue)
    .where(HELD)
    .values(
        state=case((_cancelled, word(RunState.CANCELLED)), else_=bindparam("to", type_=_q.state.type)),
        due_at=case((_tried_again, _retry_at), else_=_q.due_at),
        finished_at=case((_tried_again, null()), else_=NOW),
        lease_owner=null(),
        dispatched_until=null(),  # the message that brought this attempt is used up
        error=case((_cancelled, _q.cancel_reason), else_=_error),
        error_type=case((_cancelled, word("cancelled")), else_=_error_type),
        result=bindparam("result", type_=_q.result.type),
    )
    .returning(
        _q.id,
        _q.error,
        _q.error_type,
        case(
            (_ended_cancelled, word(Outcome.CANCELLED)), else_=bindparam("outcome", type_=_a.outcome.type)
        ).label("outcome"),
    )
)


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


# What an attempt has to say about its process; its outcome and error are those that END_RUN returned.
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
