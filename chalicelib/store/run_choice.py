"""Which runs a list shows, from the newest to the oldest: found by an index, whatever is asked for.

A list of all runs walks through the ids from the newest, that of a job through the job's ids, and that of
states through the ids of each state. What is asked for by time mostly lies among the newest runs, which are
looked at first; else the index of due times has it.

Limit: runs that succeeded have no index of their own, because they are nearly all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select, union_all

from chalicelib.model.runs import RunState

from .database import Tx
from .schema import NOT_WELL, QUEUED, RUNNING, job_queue

MORE = 100  # runs beside those wanted that are looked at first
ALL = 2**62
_q = job_queue.c
_UNFINISHED = {RunState.QUEUED: QUEUED, RunState.RUNNING: RUNNING}


def newest(
    tx: Tx,
    *,
    job_id: str | None = None,
    states: Sequence[RunState] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    most: int,
) -> Sequence[str]:
    """Return the ids of the newest `most` runs; `after` is the last id of the page before.

    `since` and `until` (not included) look at when a run was due.
    """
    page = _page(after)
    due = [] if since is None else [_q.due_at >= since]
    due += [] if until is None else [_q.due_at < until]
    if job_id is not None:
        page += [_q.job_id == job_id, *due]
    elif states and RunState.SUCCEEDED not in states:
        return _of_states(tx, states, due, after, most)
    elif due:
        return _in_time(tx, states, due, after, most)
    if states:
        page.append(_q.state.in_(states))
    return tx.execute(select(_q.id).where(*page).order_by(_q.id.desc()).limit(most)).scalars().all()


def _of_states(
    tx: Tx, states: Sequence[RunState], due: Sequence[ColumnElement[bool]], after: str | None, most: int
) -> Sequence[str]:
    """Return the newest of each state, merged. Each state is asked for as its index is declared."""
    each = []
    for state in dict.fromkeys(states):
        if state in _UNFINISHED:
            some = _by_id(select(_q.id).where(_q.state == _UNFINISHED[state], *due), after)
        else:
            some = select(_q.id).where(_q.state == state, NOT_WELL, *due, *_page(after))
            some = some.order_by(_q.id.desc())
        each.append(select(some.limit(most).subquery().c.id))
    c = union_all(*each).subquery().c
    return tx.execute(select(c.id).order_by(c.id.desc()).limit(most)).scalars().all()


def _in_time(
    tx: Tx,
    states: Sequence[RunState],
    due: Sequence[ColumnElement[bool]],
    after: str | None,
    most: int,
) -> Sequence[str]:
    """Return those of a time: first by looking at few, which are nearly always enough."""
    of_state = [_q.state.in_(states)] if states else []
    walked = select(_q.id).where(*_page(after)).order_by(_q.id.desc())
    by_due = _by_id(select(_q.id).where(*due).order_by(_q.due_at.desc()), after)
    for some in (walked, by_due):
        ids = tx.execute(some.limit(most + MORE)).scalars().all()
        wanted = select(_q.id).where(_q.id.in_(ids), *due, *of_state).order_by(_q.id.desc()).limit(most)
        found = tx.execute(wanted).scalars().all()
        if len(found) == most or len(ids) < most + MORE:
            return found
    every = _by_id(select(_q.id).where(*due, *of_state).order_by(_q.due_at.desc()), after)
    return tx.execute(every.limit(most)).scalars().all()


def _page(after: str | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [_q.id < after]


def _by_id(chosen: Select[Any], after: str | None) -> Select[Any]:
    """Return what was chosen by another index, in the order of the ids.

    The inner limit keeps SQLite from walking through all ids instead. Sorting is cheap where the inner order
    is nearly that of the ids.
    """
    c = chosen.limit(ALL).subquery().c
    page = [] if after is None else [c.id < after]
    return select(c.id).where(*page).order_by(c.id.desc())
