"""Single-statement claim and finish for PostgreSQL, and both sent in one round trip.

1. `take` claims the first run that is due when its policy leaves nothing to decide.
2. A run whose job may run once at a time is decided about by one transaction at a time: `take` locks its row
   and tries the job's lock, and the second statement (`_take_alone`) looks again under that lock, so that
   it sees what others committed before.
3. What needs a decision (overlap, a job that is off or gone, a superseded retry) is left to `claims`.

Neither statement ever waits for a lock: what another transaction holds is left to it, so claims cannot
deadlock. `take` leaves the run in a setting of the transaction, so that both can be sent before either is
answered.

The statements are built from the same conditions as those of SQLite (`queue.overlap`, `queue.attempt_end`),
compiled once per process, and executed by `store.driver`.
"""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    String,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql.expression import Select

from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.queue import attempt_end, decisions, eligible, pauses, pools
from chalicelib.store.queue.attempt_begin import CLAIM, NOW, OWNER
from chalicelib.store.schema import QUEUED, attempts, job_queue, jobs, outbox, revisions, word

from . import locks

_q = job_queue.c
_a = attempts.c
_ENDED = bindparam("run", type_=_q.id.type)
_CANDIDATE = word("sauron.candidate")  # the transaction's setting that says which run was looked at


def _due(*, ended: ColumnElement[str] | None = None, excluding: bool = False) -> CTE:
    """Return the first run that is due, locked, with whether it may start without a decision (`easy`)."""
    due = eligible.due(
        _q.id.label("candidate"),
        _q.job_id.label("of_job"),
        _q.pool.label("of_pool"),
        and_(decisions.starts_beside_others(), _q.pool.is_(None)).label("easy"),
        ended=ended,
    )
    if excluding:
        strings = ARRAY(String)
        due = due.where(
            _q.id != func.all(bindparam("passed", type_=strings)),
            _q.job_id != func.all(bindparam("busy", type_=strings)),
        )
    first = eligible.first(due, lambda arm: arm.with_for_update(of=job_queue, skip_locked=True))
    return first.cte("candidate").prefix_with("MATERIALIZED")


def _claimed(candidate: CTE) -> tuple[CTE, CTE]:
    """Return the claim of the candidate, if it is an easy one, and the beginning of its attempt."""
    claimed = CLAIM.where(_q.id == candidate.c.candidate, candidate.c.easy).cte("claimed")
    begun = (
        insert(attempts)
        .from_select(
            ["run_id", "number", "started_at", "runner"],
            select(claimed.c.id, claimed.c.attempt, NOW, OWNER),
        )
        .cte("begun")
    )
    return claimed, begun


def _with_claim(candidate: CTE, *first: ColumnElement[Any]) -> Select[Any]:
    """Return `first`, the candidate and the claim; with `first` there is a row also if nothing is due."""
    claimed, begun = _claimed(candidate)
    c = candidate.c
    noted = func.set_config(_CANDIDATE, c.candidate, true()) != word("")
    alone = case(
        (or_(c.easy, c.candidate.is_(None)), true()),
        (and_(locks.try_job(c.of_job), or_(c.of_pool.is_(None), locks.try_pool(c.of_pool))), noted),
        else_=literal_column("false"),
    )
    taken = claimed.c.id.is_not(None).label("taken")
    answer = select(*first, c.candidate, c.of_job, alone.label("alone"), taken, *claimed.c).add_cte(begun)
    if not first:
        return answer.select_from(candidate.outerjoin(claimed, true()))
    one = select(literal_column("1").label("one")).subquery("one")
    return answer.select_from(one.outerjoin(candidate, true()).outerjoin(claimed, true()))


@functools.cache
def _take(*, excluding: bool) -> Statement:
    return Statement(_with_claim(_due(excluding=excluding)))


@functools.cache
def _take_alone() -> Statement:
    candidate = (
        select(_q.id.label("candidate"), true().label("easy"))
        .join(jobs, jobs.c.job_id == _q.job_id)
        .where(
            _q.id == func.current_setting(_CANDIDATE, true()),
            _q.state == QUEUED,
            decisions.starts_alone(),
            pools.room(),
            pauses.lets_start(),
        )
        .cte("candidate")
        .prefix_with("MATERIALIZED")
    )
    claimed, begun = _claimed(candidate)
    return Statement(select(true().label("taken"), *claimed.c).add_cte(begun))


@functools.cache
def _finish(*, final: bool, copied: bool, claims: bool) -> Statement:
    """Return the statement that records an end, with its row for Life Hub and the claim of the next run."""
    ended = attempt_end.end_run(final=final).cte("ended")
    told = (
        update(attempts)
        # By the parameter: a plan made while there were few attempts would join them all with the ended run.
        .where(_a.run_id == _ENDED, _a.number == attempt_end.NUMBER, ended.c.id == _ENDED)
        .values(
            outcome=ended.c.outcome,
            error=ended.c.error,
            error_type=ended.c.error_type,
            **attempt_end.OF_THE_PROCESS,
        )
        .returning(_a.started_at, _a.outcome, _a.error, _a.error_type)
        .cte("told")
    )
    beside = [told, _copied(told)] if copied else [told]
    recorded = select(func.count()).select_from(ended).scalar_subquery().label("recorded")
    # In its own snapshot the ended run still runs, so it claims only what may run beside that. `_take_alone`
    # sees it ended.
    answer = _with_claim(_due(ended=_ENDED), recorded) if claims else select(recorded)
    return Statement(answer.add_cte(ended, *beside))


def _copied(told: CTE) -> CTE:
    """Return the attempt's row for Life Hub, in which the facts that only the store knows are filled in."""
    job = bindparam("job", type_=outbox.c.job_id.type)
    source = select(jobs.c.source).where(jobs.c.job_id == job).scalar_subquery()
    loaded_at = (
        select(revisions.c.booted_at)
        .where(revisions.c.sha == bindparam("revision", type_=revisions.c.sha.type))
        .scalar_subquery()
    )
    known = {
        **{name: told.c[name] for name in ("started_at", "outcome", "error", "error_type")},
        "source": source,
        "loaded_at": loaded_at,
    }
    pairs = [one for name, value in known.items() for one in (word(name), value)]
    facts = bindparam("facts", type_=outbox.c.facts.type).op("||")(func.jsonb_build_object(*pairs))
    row = select(word("attempt"), job, facts, NOW).select_from(told)
    return insert(outbox).from_select(["kind", "job_id", "facts", "created_at"], row).cte("copied")


def take(tx: Tx, asked: dict[str, Any]) -> Any | None:
    """Claim the first run that is due, except the runs `passed` and those of the jobs `busy`; return its row.

    A row that is not `taken` is a candidate's, to be decided about: by this transaction if `alone`, which has
    then the lock of its job. None means that nothing is due.
    """
    row = _take(excluding=bool(asked["passed"] or asked["busy"])).first(tx, asked)
    if row is None or row.taken or not row.alone:
        return row
    return _take_alone().first(tx, asked) or row


def finish_and_take(
    connection: Any, ended: dict[str, Any], *, take: bool, alone: bool
) -> tuple[bool, Any | None]:
    """Record an end, as `finish` does, and return also what `take` does, in one round trip.

    `alone`: the run to claim is likely to need its job for itself. One that does, unexpectedly, is not
    claimed.
    """
    recording = _recording(ended, claims=take)
    if not (take and alone):
        row: Any = recording.send(connection, ended)()
        return row.recorded == 1, row if take and row.candidate else None
    with connection.pipeline():
        first = recording.send(connection, ended)
        second = _take_alone().send(connection, ended)
    row = first()
    return row.recorded == 1, second() or (row if row.candidate else None)


def _recording(ended: dict[str, Any], *, claims: bool) -> Statement:
    return _finish(final=ended["retry_at"] is None, copied="facts" in ended, claims=claims)


def finish(tx: Tx, ended: dict[str, Any]) -> bool:
    """Record an attempt's end; return False if the lease was taken over."""
    return bool(_recording(ended, claims=False).value(tx, ended) == 1)
