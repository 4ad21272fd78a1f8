"""Claims: taking the first run that is due, and deciding on the way which occurrences are not to run.

A claim is one conditional write, so a run is taken once however many ask. What an occurrence does while its
job is busy (overlap) is decided when it is due, from the ledger's times, so that the answer does not depend
on when a worker was free to ask.

On PostgreSQL several claims go on at once: each locks the run it looks at and, unless the policy lets the job
run beside itself, the job (`postgres.statements`); a run or job that another transaction has locked is left
to that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, insert, literal_column, or_, update

from chalicelib.model.runs import Run, RunId, RunState
from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.history import as_run
from chalicelib.store.postgres import statements
from chalicelib.store.schema import QUEUED, RUNNING, attempts, job_queue

from . import attempt_begin, decisions, eligible, outage, overlap

DISABLED = "disabled"  # the error type of a run whose next attempt does not start: its job is off

_q = job_queue.c


@dataclass(frozen=True, slots=True)
class Decision:
    """What a claim recorded without executing: the run and its new state.

    The run's own reason follows this one in its row: a decision does not replace why the run was made.
    """

    run_id: RunId
    job_id: str
    state: RunState
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A run to execute, or None, and what was decided on the way to it.

    `cancelled` names running runs that were told to stop (overlap replace).
    """

    run: Run | None
    decided: tuple[Decision, ...] = ()
    cancelled: tuple[RunId, ...] = ()


# The only writer needs no lock. In CASE alone does SQLite leave out the rest of a condition that is decided.
_easy = case(
    (or_(decisions.starts_beside_others(), decisions.starts_alone()), literal_column("1")),
    else_=literal_column("0"),
)
_candidate = Statement(eligible.first(eligible.due(_q.id, _easy.label("easy"))))
_this_one = Statement(
    eligible.due(
        job_queue,
        *decisions.COLUMNS,
        overlap.REPLACES.label("replaces"),
        overlap.SUPERSEDES.label("supersedes"),
    ).where(_q.id == bindparam("run"))
)
_replace = (
    update(job_queue)
    .where(_q.job_id == bindparam("job"), _q.state == RUNNING, _q.cancel_reason.is_(None))
    .values(cancel_reason=bindparam("why"))
    .returning(_q.id)
)
_settle = (
    update(job_queue)
    .where(_q.id == bindparam("run"), _q.state == QUEUED)
    .values(
        state=bindparam("to"),
        reason=bindparam("why"),
        error=bindparam("err"),
        error_type=bindparam("kind"),
        finished_at=bindparam("now"),
    )
)
_supersede = (
    update(job_queue)
    .where(
        _q.job_id == bindparam("job"),
        _q.finished_at.is_(None),
        _q.state == QUEUED,
        _q.attempt > 0,
        _q.due_at > bindparam("now"),
        overlap.OCCURRENCE,
    )
    .values(
        state=RunState.FAILED,
        error=func.coalesce(_q.error + "; ", "") + bindparam("why"),
        error_type="superseded",
        finished_at=bindparam("now"),
    )
    .returning(_q.id)
)
_claim = Statement(attempt_begin.CLAIM.where(_q.id == bindparam("run"), _q.state == QUEUED))
_BEGUN = {"run_id": "run", "number": "nth", "started_at": "now", "runner": "owner"}
_begin_attempt = Statement(insert(attempts).values({one: bindparam(name) for one, name in _BEGUN.items()}))


def claim(tx: Tx, *, owner: str, now: datetime, most: int = 100) -> Claim:
    """Take the first run that is due, deciding on the way about those that policy says not to run.

    `eligible` has the order: priority, then due time. At most `most` decisions are made in one transaction; a
    claim with decisions and no run is worth repeating at once.
    """
    decided: list[Decision] = []
    cancelled: list[RunId] = []
    first_due = _first_of_one_writer if tx.dialect.name == "sqlite" else _first_of_several_writers
    asked = {"owner": owner, "now": now, **outage.instants(now), "passed": [], "busy": []}
    for _ in range(most):
        due = first_due(tx, asked)
        if due is None or isinstance(due, Run):
            return Claim(due, tuple(decided), tuple(cancelled))
        if due.rule is not None:
            decided.append(_settled(tx, due, now))
        elif due.replaces and (told := _told_to_stop(tx, due)):
            cancelled.extend(told)  # it waits for those it replaces
        else:
            decided.extend(_superseded(tx, due, now) if due.supersedes else ())
            return Claim(_taken(tx, due.id, asked), tuple(decided), tuple(cancelled))
    return Claim(None, tuple(decided), tuple(cancelled))


def _first_of_one_writer(tx: Tx, asked: dict[str, Any]) -> Run | Any | None:
    """Return the first run that is due: claimed, or its row to decide about; None if none is due."""
    candidate = _candidate.first(tx, asked)
    if candidate is None:
        return None
    if candidate.easy:
        return _taken(tx, candidate.id, asked)
    return _this_one.first(tx, asked | {"run": candidate.id})


def _first_of_several_writers(tx: Tx, asked: dict[str, Any]) -> Run | Any | None:
    """Return the first run that is due, as above, but none that another transaction decides about.

    Those are noted in `asked`, so that the rest of this claim leaves them out.
    """
    while row := statements.take(tx, asked):
        if row.taken:
            return as_run(row)
        if not row.alone:
            asked["busy"].append(row.of_job)
            continue
        due = _this_one.first(tx, asked | {"run": row.candidate})
        if due is not None:
            return due
        asked["passed"].append(row.candidate)  # by what another transaction wrote it waits
    return None


def _taken(tx: Tx, run_id: str, asked: dict[str, Any]) -> Run:
    taking = asked | {"run": run_id}
    claimed = as_run(_claim.first(tx, taking))
    _begin_attempt.changed(tx, taking | {"nth": claimed.attempt})
    return claimed


def _settled(tx: Tx, row: Any, now: datetime) -> Decision:
    """Record why a run ends without starting: a failure's reason is its error, after that of the last try."""
    state, reason = decisions.found(row)
    if state is RunState.FAILED:
        error = "; ".join(filter(None, (row.error, reason)))
        said = {"why": row.reason, "err": error, "kind": DISABLED if row.attempt else None}
    else:
        said = {"why": "; ".join(filter(None, (reason, row.reason))), "err": None, "kind": None}
    tx.execute(_settle, {"run": row.id, "to": state, "now": now} | said)
    return Decision(RunId(row.id), row.job_id, state, reason)


def _told_to_stop(tx: Tx, row: Any) -> list[RunId]:
    told = tx.execute(_replace, {"job": row.job_id, "why": f"replaced by run {row.id}"}).scalars()
    return [RunId(one) for one in told]


def _superseded(tx: Tx, row: Any, now: datetime) -> list[Decision]:
    """End runs that wait out their backoff: the next occurrence takes their place."""
    why = f"not tried again: superseded by run {row.id}"
    ended = tx.execute(_supersede, {"job": row.job_id, "now": now, "why": why}).scalars()
    return [Decision(RunId(one), row.job_id, RunState.FAILED, why) for one in ended]
