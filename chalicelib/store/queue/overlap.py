"""The overlap policies: which runs may start beside others of their job, as SQL that both stores share.

The rules, for a run whose job has runs beside it:

- allow, or a forced run: it starts.
- queue, or a run that is not a fresh occurrence (a trigger, a late one, a retry): it waits until no run of
  the job is running.
- skip: a fresh occurrence is skipped if a run that was due before it is not over.
- replace: a fresh occurrence asks the running ones to stop, waits for them, and gives way to a newer one.

A condition is about the run in `job_queue` and its row in `jobs`, which the statement joins. `ended` is the
run whose end the same statement records: it still counts as running in that statement's snapshot.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from chalicelib.model.jobs import Overlap
from chalicelib.model.runs import Origin, RunState
from chalicelib.store.schema import QUEUED, RUNNING, job_queue, jobs, word

_q = job_queue.c
_other = job_queue.alias("other")
_o = _other.c

Condition = ColumnElement[bool]
_NOW = bindparam("now", type_=_o.due_at.type)


OCCURRENCE: Condition = or_(
    _q.origin == word(Origin.SCHEDULE), _q.origin == word(Origin.CATCHUP), _q.chain_key.is_not(None)
)
# An occurrence of which no attempt was begun: it may be dropped. Policies are about those of the schedule.
FRESH: Condition = and_(OCCURRENCE, _q.attempt == literal_column("0"))


def _fresh_on_time(run: Any) -> Condition:
    of_schedule = or_(run.origin == word(Origin.SCHEDULE), run.chain_key.is_not(None))
    return and_(of_schedule, run.attempt == literal_column("0"))


# Nobody asked for it by name: it is dropped, and does not wait, while its job is off or all is paused.
DROPPABLE: Condition = and_(
    or_(OCCURRENCE, _q.origin == word(Origin.CHAIN)), _q.attempt == literal_column("0")
)
_allows = func.coalesce(jobs.c.overlap == word(Overlap.ALLOW), false())
SKIPS: Condition = and_(jobs.c.overlap == word(Overlap.SKIP), _fresh_on_time(_q), ~_q.force)
# It asks the running ones to stop.
REPLACES: Condition = and_(jobs.c.overlap == word(Overlap.REPLACE), _fresh_on_time(_q), ~_q.force)
# It ends the runs that wait to be tried again.
SUPERSEDES: Condition = and_(~_allows, FRESH)
# A run that is due later may have started already: a late tick, a retry. The occurrence waits for it.
_due_before = or_(_o.due_at < _q.due_at, and_(_o.due_at == _q.due_at, _o.id < _q.id))


def _running(ended: ColumnElement[str] | None, *more: Condition) -> Condition:
    """Say whether a run of the job is running for which all of `more` is true."""
    others = (_o.job_id == _q.job_id, _o.state == RUNNING, *more)
    return exists().where(*others, *(() if ended is None else (_o.id != ended,)))


def not_over(run: Any, at: ColumnElement[Any] | datetime) -> tuple[Condition, Condition]:
    """Return the two ways in which a run (its columns) was not over at an instant.

    Each alone is found by the index of a job's ends. Joined by OR, SQLite reads the job's whole history.
    """
    return run.finished_at.is_(None), run.finished_at > at


def claimable(ended: ColumnElement[str] | None = None) -> Condition:
    """Say whether a due run may start now, or its policy has something to decide about it now."""
    return or_(
        _q.force,
        _allows,
        and_(SKIPS, _running(ended, _due_before)),
        and_(REPLACES, _running(ended, _o.cancel_reason.is_(None))),
        ~_running(ended),
    )


def worth_a_message() -> Condition:
    """Say whether a run may start, or is decided about, when it is due: nothing of its job is in its way."""
    in_the_way = exists().where(
        _o.job_id == _q.job_id,
        _o.finished_at.is_(None),
        or_(_o.state == RUNNING, _due_before),
        _o.id != _q.id,
    )
    return or_(_q.force, _allows, SKIPS, REPLACES, ~in_the_way)


def needs_no_policy() -> Condition:
    """Say whether a claimable run may start whatever its job's other runs do."""
    return or_(_allows, and_(_q.force, ~FRESH))


def nothing_beside() -> Condition:
    """Say whether there is surely no run of the job to wait for, to give way to or to end.

    It is a cheaper and stricter question than BUSY, NEWER and SUPERSEDES: where it holds, none of them does;
    where it does not, they decide.
    """
    same_job = _o.job_id == _q.job_id
    waiting = exists().where(
        same_job,
        _o.finished_at.is_(None),  # by the job's index of ends, not through its history
        _o.state == QUEUED,
        _o.id != _q.id,
        or_(
            _o.attempt > literal_column("0"),
            and_(jobs.c.overlap != word(Overlap.QUEUE), _o.due_at <= _NOW),
        ),
    )
    was_busy = exists().where(same_job, _o.finished_at > _q.due_at, _o.due_at <= _q.due_at)
    return and_(~_running(None), ~and_(FRESH, waiting), ~and_(SKIPS, was_busy))


_was_due = and_(
    _due_before,
    _o.state.not_in((word(RunState.SKIPPED), word(RunState.MISSED))),
    # Its owner was gone and it is not known since when, unless it runs again.
    or_(_o.error_type.is_(None), _o.error_type != word("interrupted"), _o.state == RUNNING),
)
_is_newer = and_(_o.state == QUEUED, _fresh_on_time(_o), _o.due_at > _q.due_at, _o.due_at <= _NOW)


def _id_of(*what: Condition) -> Select[Any]:
    return select(_o.id).where(_o.job_id == _q.job_id, *what).correlate(job_queue)


def ended_too_late() -> Condition:
    """Say whether a run of the job that is over since was not over when this one fell due."""
    return exists().where(_o.job_id == _q.job_id, _o.finished_at > _q.due_at, _was_due)


_FIRST: ColumnElement[int] = literal_column("1")
_not_over = union_all(*(_id_of(one, _was_due) for one in not_over(_o, _q.due_at)))
# The run for which skip drops this one: it was running, or queued and due, when this one became due.
BUSY = case((SKIPS, _not_over.limit(_FIRST).scalar_subquery()))
# The run to which this one gives way under replace.
NEWER = case((REPLACES, _id_of(_o.finished_at.is_(None), _is_newer).limit(_FIRST).scalar_subquery()))
