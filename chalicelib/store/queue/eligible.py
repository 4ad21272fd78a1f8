"""Which runs a claim looks at, and in which order: every policy's condition, for both stores.

The order is priority, then due time. Runs of priority 0 are found by the index of due times; the others have
an index and arms of their own, which cost nothing where there are none. The parameters are `now` and
`outage.instants`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
    union_all,
)

from chalicelib.store.schema import QUEUED, bundle_state, job_queue, jobs

from . import outage, overlap, pauses, pools

_q = job_queue.c
_ZERO: ColumnElement[int] = literal_column("0")


# Before the first sync no job of the bundle is known: what an earlier system left queued waits for it.
_known = or_(jobs.c.job_id.is_not(None), exists().where(bundle_state.c.active_sha.is_not(None)))


def due(*columns: Any, ended: ColumnElement[str] | None = None) -> Select[Any]:
    """Return `columns` of the runs that are due and may start now, or are to be decided about now.

    `ended` is the run whose end the same statement records: it still counts as running in its snapshot.
    """
    with_job = select(*columns).join(jobs, jobs.c.job_id == _q.job_id, isouter=True)
    return with_job.where(_known, _condition(ended))


def _condition(ended: ColumnElement[str] | None) -> ColumnElement[bool]:
    return and_(
        _q.state == QUEUED,
        _q.due_at <= bindparam("now", type_=_q.due_at.type),
        outage.settled(),
        overlap.claimable(ended),
        pools.room(ended),
        pauses.lets_start(),
    )


def first(
    due: Select[Any], locked: Callable[[Select[Any]], Select[Any]] = lambda arm: arm
) -> CompoundSelect[Any]:
    """Return the first of the runs that `due` selects, by priority and then by due time.

    `locked` adds to each arm the locks of its rows.
    """
    in_time = (_q.due_at, _q.id)
    # In the words of their index, so that it serves both arms.
    others = due.where(_q.priority != _ZERO).order_by(_q.priority.desc(), *in_time)
    arms = (
        others.where(_q.priority > _ZERO),
        due.where(_q.priority == _ZERO).order_by(*in_time),
        others.where(_q.priority < _ZERO),
    )
    one: ColumnElement[int] = literal_column("1")
    return union_all(*(select(locked(arm.limit(one)).subquery()) for arm in arms)).limit(one)
