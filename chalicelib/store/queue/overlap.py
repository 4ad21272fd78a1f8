"""The overlap policies: which runs may start beside others of their job, as SQL that both stores share.

The rules, for a run whose job has runs beside it:

- allow, or a forced run: it starts.
- queue, or a run that is not a fresh occurrence on time (a trigger, a late one, a retry): it waits until no
  run of the job is running.
- skip: a fresh occurrence on time is skipped if a run that was due before it was not over when it fell due.
- replace: such an occurrence gives way to a newer one; else it asks the running ones to stop, and waits.
- All but allow: a fresh occurrence that starts, late or not, ends the runs that wait to be tried again.

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
_ZERO: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")

# The run: what it is, and what its job's policy is to it.

OCCURRENCE: Condition = or_(
    _q.origin == word(Origin.SCHEDULE), _q.origin == word(Origin.CATCHUP), _q.chain_key.is_not(None)
)
# No attempt of it was begun: it may be dropped.
FRESH: Condition = and_(OCCURRENCE, _q.attempt == _ZERO)
# Nobody asked for it by name: it is dropped, and does not wait, while its job is off or all is paused.
DROPPABLE: Condition = and_(or_(OCCURRENCE, _q.origin == word(Origin.CHAIN)), _q.attempt == _ZERO)


def _fresh_on_time(run: Any) -> Condition:
    """Say whether a run (its columns) is fresh and not late: skip and replace are about such alone."""
    of_schedule = or_(run.origin == word(Origin.SCHEDULE), run.chain_key.is_not(None))
    return and_(of_schedule, run.attempt == _ZERO)


_allows = func.coalesce(jobs.c.overlap == word(Overlap.ALLOW), false())
SKIPS: Condition = and_(jobs.c.overlap == word(Overlap.SKIP), _fresh_on_time(_q), ~_q.force)
# It asks the running ones to stop.
REPLACES: Condition = and_(jobs.c.overlap == word(Overlap.REPLACE), _fresh_on_time(_q), ~_q.force)
# It ends the runs that wait to be tried again.
SUPERSEDES: Condition = and_(~_allows, FRESH)

# The other runs of its job.

_same_job = _o.job_id == _q.job_id
# A run that is due later may have started already: a late tick, a retry. The occurrence waits for it.
_due_before = or_(_o.due_at < _q.due_at, and_(_o.due_at == _q.due_at, _o.id < _q.id))
_was_due = and_(
    _due_before,
    _o.state.not_in((word(RunState.SKIPPED), word(RunState.MISSED))),
    # Its owner was gone and it is not known since when, unless it runs again.
    or_(_o.error_type.is_(None), _o.error_type != word("interrupted"), _o.state == RUNNING),
)
_is_newer = and_(_o.state == QUEUED, _fresh_on_time(_o), _o.due_at > _q.due_at, _o.due_at <= _NOW)


def _running(ended: ColumnElement[str] | None, *more: Condition) -> Condition:
    """Say whether a run of the job is running for which all of `more` is true."""
    others = (_same_job, _o.state == RUNNING, *more)
    return exists().where(*others, *(() if ended is None else (_o.id != ended,)))


def not_over(run: Any, at: ColumnElement[Any] | datetime) -> tuple[Condition, Condition]:
    """Return the two ways in which a run (its columns) was not over at an instant.

    Each alone is found by the index of a job's ends. Joined by OR, SQLite reads the job's whole history.
    """
    return run.finished_at.is_(None), run.finished_at > at


def _id_of(*what: Condition) -> Select[Any]:
    return select(_o.id).where(_same_job, *what).correlate(job_queue)


# The run for which skip drops this one: it was running, or queued and due, when this one became due.
_in_its_way = union_all(*(_id_of(one, _was_due) for one in not_over(_o, _q.due_at)))
BUSY = case((SKIPS, _in_its_way.limit(_ONE).scalar_subquery()))
# The run to which this one gives way under replace.
_newer = _id_of(_o.finished_at.is_(None), _is_newer)
NEWER = case((REPLACES, _newer.limit(_ONE).scalar_subquery()))

# What is asked about a run.


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
        _same_job,
        _o.finished_at.is_(None),
        or_(_o.state == RUNNING, _due_before),
        _o.id != _q.id,
    )
    return or_(_q.force, _allows, SKIPS, REPLACES, ~in_the_way)


def needs_no_policy() -> Condition:
    """Say whether a claimable run may start whatever its job's other runs do."""
    return or_(_allows, and_(_q.force, ~FRESH))


def nothing_beside() -> Condition:
    """Say whether there is surely no run of the job to wait for, to give way to, to stop or to end.

    It is cheaper and stricter than to look: where it holds, BUSY and NEWER are null and SUPERSEDES finds
    nothing to end; where it does not, they decide.
    """
    waiting = exists().where(
        _same_job,
        _o.finished_at.is_(None),  # by the job's index of ends, not through its history
        _o.state == QUEUED,
        _o.id != _q.id,
        or_(
            _o.attempt > _ZERO,
            and_(jobs.c.overlap != word(Overlap.QUEUE), _o.due_at <= _NOW),
        ),
    )
    was_busy = exists().where(_same_job, _o.finished_at > _q.due_at, _o.due_at <= _q.due_at)
    return and_(~_running(None), ~and_(FRESH, waiting), ~and_(SKIPS, was_busy))


def ended_too_late() -> Condition:
    """Say whether a run of the job that is over since was not over when this one fell due."""
    return exists().where(_same_job, _o.finished_at > _q.due_at, _was_due)
