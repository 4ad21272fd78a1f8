"""How many runs of a job ended in which state on each UTC day: what pages show of a month and of a year.

`run_totals.fold` adds to the days in the transaction in which it takes the ends away, so a day is the same
before and after a fold. Days outlive the runs they count. A gap counts its occurrences, on the day on which
it was noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import CompoundSelect, Select, case, delete, func, select, union_all

from chalicelib.model.runs import BAD, GOOD, RunState

from .database import Tx
from .dialect import insert
from .schema import jobs, run_days, run_ends

_d, _e = run_days.c, run_ends.c


def add(tx: Tx, counted: Mapping[tuple[str, str, str], int]) -> None:
    """Add (job id, day, state) counts to the days, in one order, so that two folds never block each other."""
    adding = insert(tx, run_days)
    rows = [dict(zip(_d.keys(), (*key, counted[key]), strict=True)) for key in sorted(counted)]
    tx.execute(
        adding.on_conflict_do_update(
            index_elements=["job_id", "day", "state"], set_={"runs": _d.runs + adding.excluded.runs}
        ),
        rows,
    )


def of_job(tx: Tx, job_id: str, *, since: date) -> list[tuple[date, RunState, int]]:
    """Return (day, state, count) of a job's runs that ended on or after a day, in the order of the days."""
    c = _days(tx, [job_id], since).subquery().c
    found = select(c.day, c.state, func.sum(c.runs)).group_by(c.day, c.state).order_by(c.day, c.state)
    return [(date.fromisoformat(row[0]), RunState(row[1]), int(row[2])) for row in tx.execute(found)]


def counts(tx: Tx, job_ids: Sequence[str], *, since: date) -> dict[str, Counter[RunState]]:
    """Return how many runs of each of these jobs ended in which state on or after a day."""
    c = _days(tx, job_ids, since).subquery().c
    found = {job_id: Counter[RunState]() for job_id in job_ids}
    for row in tx.execute(select(c.job_id, c.state, func.sum(c.runs)).group_by(c.job_id, c.state)):
        found[row[0]][RunState(row[1])] = int(row[2])
    return found


def good_shares(tx: Tx, *, since: date) -> dict[str, float]:
    """Return the share of good runs of each job among those that ran and ended on or after a day."""
    each = select(jobs.c.job_id).where(jobs.c.removed_at.is_(None))
    c = _days(tx, each, since).subquery().c
    good, judged = (func.sum(case((c.state.in_(states), c.runs), else_=0)) for states in (GOOD, GOOD + BAD))
    rows = tx.execute(select(c.job_id, good, judged).group_by(c.job_id)).all()
    return {row[0]: int(row[1]) / int(row[2]) for row in rows if row[2]}


def _days(tx: Tx, job_ids: Sequence[str] | Select[Any], since: date) -> CompoundSelect[Any]:
    """Return the statement for the rows of these jobs: what was added up, and what was not yet."""
    waiting = (
        func.substr(_e.ended_at, 1, 10)
        if tx.dialect.name == "sqlite"
        else func.to_char(func.timezone("UTC", _e.ended_at), "YYYY-MM-DD")
    )
    return union_all(
        select(_d.job_id, _d.day, _d.state, _d.runs).where(_d.job_id.in_(job_ids), _d.day >= f"{since}"),
        select(_e.job_id, waiting.label("day"), _e.state, _e.runs).where(
            _e.job_id.in_(job_ids), waiting >= f"{since}"
        ),
    )


def rename(tx: Tx, old: str, new: str) -> None:
    """Give a renamed job the days of its former id."""
    gone = tx.execute(delete(run_days).where(_d.job_id == old).returning(_d.day, _d.state, _d.runs)).all()
    if gone:
        add(tx, {(new, day, state): runs for day, state, runs in gone})


def prune(tx: Tx, *, before: date) -> None:
    """Forget the days before a day."""
    tx.execute(delete(run_days).where(_d.day < f"{before}"))
