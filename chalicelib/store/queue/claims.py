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

from sqlalchemy import and_, bindparam, func, insert, or_, select, union_all, update

from chalicelib.model.faults import DEFINITION_REJECTED
from chalicelib.model.jobs import Overlap
from chalicelib.model.runs import DROPPED_WHEN_OFF, OCCURRENCES, Origin, Run, RunId, RunState
from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.history import as_run
from chalicelib.store.postgres import statements
from chalicelib.store.schema import QUEUED, RUNNING, attempts, job_queue, jobs, word

from . import attempt_begin, eligible, outage, overlap, pauses

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


# The only writer needs no lock: whether a decision is needed and the claim go by the same state.
_easy = or_(overlap.nothing_to_decide(), overlap.nothing_beside(attempt_begin.NOW))
_candidate = Statement(eligible.first(eligible.due(_q.id, and_(_easy, ~pauses.skips()).label("easy"))))
_this_one = Statement(
    eligible.due(
        job_queue,
        jobs.c.overlap,
        jobs.c.enabled,
        jobs.c.rejected,
        jobs.c.removed_at,
        pauses.skips().label("paused"),
    ).where(_q.id == bindparam("run"))
)
# Runs of the job that were running, or queued and due, at the instant `due`.
_due_by_then = select(_q.id).where(
    _q.job_id == bindparam("job"),
    _q.id != bindparam("run"),
    _q.state.not_in((word(RunState.SKIPPED), word(RunState.MISSED))),
    # Its owner was gone and it is not known since when, unless it runs again.
    or_(_q.error_type.is_(None), _q.error_type != "interrupted", _q.state == RUNNING),
    _q.due_at <= bindparam("due"),
    or_(_q.due_at < bindparam("due"), _q.id < bindparam("run")),
)
_busy_at = Statement(
    union_all(*(_due_by_then.where(one) for one in overlap.not_over(_q, bindparam("due")))).limit(1)
)
_newer_due = Statement(
    select(_q.id)
    .where(
        _q.job_id == bindparam("job"),
        _q.finished_at.is_(None),
        _q.state == QUEUED,
        or_(_q.origin == Origin.SCHEDULE, _q.chain_key.is_not(None)),
        _q.attempt == 0,
        _q.due_at > bindparam("due"),
        _q.due_at <= bindparam("now"),
    )
    .limit(1)
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
        or_(_q.origin.in_(OCCURRENCES), _q.chain_key.is_not(None)),
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
    looking = _Looking(tx, owner, now)
    for _ in range(most):
        row = looking.next()
        if row is None:
            break
        if isinstance(row, Run):
            return Claim(row, tuple(decided), tuple(cancelled))
        run = as_run(row)
        settled = _refusal(row, run) or pauses.verdict(row) or _overlap(tx, row, run, now, cancelled)
        if settled is None:
            if row.overlap == Overlap.REPLACE and _on_time(run) and cancelled:
                continue  # it waits for those it replaces
            decided.extend(_superseded(tx, row, run, now))
            return Claim(_taken(tx, run.id, owner, now), tuple(decided), tuple(cancelled))
        state, reason = settled
        tx.execute(_settle, {"run": run.id, "to": state, "now": now} | _recorded(run, state, reason))
        decided.append(Decision(run.id, run.job_id, state, reason))
    return Claim(None, tuple(decided), tuple(cancelled))


def _taken(tx: Tx, run_id: str, owner: str, now: datetime) -> Run:
    taking = {"run": run_id, "owner": owner, "now": now}
    claimed = as_run(_claim.first(tx, taking))
    _begin_attempt.changed(tx, taking | {"nth": claimed.attempt})
    return claimed


def _recorded(run: Run, state: RunState, reason: str) -> dict[str, str | None]:
    """Return what a decision writes: a failure's reason is its error, after that of the last attempt."""
    if state is not RunState.FAILED:
        return {"why": "; ".join(filter(None, (reason, run.reason))), "err": None, "kind": None}
    error = "; ".join(filter(None, (run.error, reason)))
    return {"why": run.reason, "err": error, "kind": DISABLED if run.attempt else None}


class _Looking:
    """Looks for the first run that is due, in one transaction."""

    def __init__(self, tx: Tx, owner: str, now: datetime) -> None:
        self._tx = tx
        self._owner = owner
        self._now = now
        self._alone = tx.dialect.name == "sqlite"  # a writer is the only one
        self._passed: list[str] = []  # runs that another transaction's news lets wait
        self._busy: list[str] = []  # jobs that another transaction decides about

    def next(self) -> Any | Run | None:
        """Return a candidate to decide about with its job's state, a run claimed already, or None."""
        while not self._alone:
            taken = statements.take(
                self._tx, owner=self._owner, now=self._now, passed=self._passed, busy=self._busy
            )
            if taken is None or taken.run is not None:
                return taken and taken.run
            if taken.alone:
                row = self._read(_this_one, run=taken.candidate)
                if row is not None:
                    return row
                self._passed.append(taken.candidate)
            else:
                self._busy.append(taken.job_id)
        first = self._read(_candidate)
        if first is None:
            return None
        if first.easy:
            return _taken(self._tx, first.id, self._owner, self._now)
        return self._read(_this_one, run=first.id)

    def _read(self, query: Statement, **more: Any) -> Any | None:
        return query.first(self._tx, {"now": self._now, **outage.instants(self._now), **more})


def _refusal(row: Any, run: Run) -> tuple[RunState, str] | None:
    """Say why this run may not start as the job stands now: gone, rejected or off.

    What a person asked for is not dropped because the job was disabled since; its next attempts are.
    """
    gone = row.overlap is None or row.removed_at is not None
    if run.attempt:
        why = (
            "the job was removed from the bundle"
            if gone
            else f"the job's definition was rejected ({row.rejected})"
            if row.rejected is not None
            else None
            if row.enabled
            else "the job is disabled"
        )
        return (RunState.FAILED, f"not tried again: {why}") if why else None
    if run.origin in DROPPED_WHEN_OFF:
        if gone:
            return RunState.SKIPPED, "the job was removed"
        if row.rejected is not None:
            return RunState.MISSED, DEFINITION_REJECTED
        return None if row.enabled else (RunState.SKIPPED, "disabled")
    if run.revision is None and (gone or row.rejected is not None):
        why = (
            "was removed from the bundle" if gone else f"has a definition that was rejected ({row.rejected})"
        )
        return RunState.FAILED, f"job {run.job_id!r} {why} before this run started"
    return None


def _on_time(run: Run) -> bool:
    return run.occurrence and run.origin != Origin.CATCHUP


def _overlap(
    tx: Tx, row: Any, run: Run, now: datetime, cancelled: list[RunId]
) -> tuple[RunState, str] | None:
    """Apply the job's overlap policy to a fresh occurrence."""
    if not _on_time(run) or run.attempt or run.force:
        return None
    if row.overlap == Overlap.SKIP:
        busy = _busy_at.first(tx, {"job": run.job_id, "run": run.id, "due": run.due_at})
        return (RunState.SKIPPED, f"overlap: run {busy.id} was not over") if busy else None
    if row.overlap == Overlap.REPLACE:
        newer = _newer_due.first(tx, {"job": run.job_id, "due": run.due_at, "now": now})
        if newer:
            return RunState.SKIPPED, f"overlap: replaced by run {newer.id}"
        told = tx.execute(_replace, {"job": run.job_id, "why": f"replaced by run {run.id}"}).scalars()
        cancelled.extend(RunId(one) for one in told)
    return None


def _superseded(tx: Tx, row: Any, run: Run, now: datetime) -> list[Decision]:
    """End runs that wait out their backoff: the next occurrence takes their place."""
    if not run.occurrence or run.attempt or row.overlap == Overlap.ALLOW:
        return []
    why = f"not tried again: superseded by run {run.id}"
    ended = tx.execute(_supersede, {"job": run.job_id, "now": now, "why": why}).scalars()
    return [Decision(RunId(one), run.job_id, RunState.FAILED, why) for one in ended]
