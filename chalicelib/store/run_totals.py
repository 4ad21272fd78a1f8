"""How many runs ended, how long they took and how late they began: totals that never fall.

The transaction that ends a run writes a row of `run_ends` (a trigger, migration 0008), whatever way it ends.
`fold` adds those rows to the totals and deletes them. A total is both together, read in one statement, so it
is the same before and after a fold, and a crash between them changes nothing. Folds of several runners go on
at once: each takes the rows that no other has locked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, func, literal, select, union_all, update

from chalicelib.model.runs import BAD, GOOD

from . import run_days
from .database import Tx
from .dialect import insert
from .schema import run_ends, run_timings, run_totals

# Upper bounds in seconds; the last bucket has none. They are stored by number: other bounds need a migration.
BOUNDS: Mapping[str, Sequence[float]] = {
    "run_seconds": (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 43200),
    "start_lateness_seconds": (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600),
}

NEWEST = 2000  # ends that are looked at where all would be too many

_e, _t, _b = run_ends.c, run_totals.c, run_timings.c


@dataclass(frozen=True, slots=True)
class Timing:
    """A histogram: the number of runs in each bucket, and the sum of their seconds."""

    buckets: tuple[int, ...]
    seconds: float


def counts(tx: Tx) -> dict[tuple[str, str], tuple[int, datetime]]:
    """Return for each (job id, state) how many runs ended so, and when the last one did.

    A gap counts its occurrences.
    """
    both = union_all(
        select(_t.job_id, _t.state, _t.runs, _t.last_at),
        select(_e.job_id, _e.state, _e.runs, _e.ended_at.label("last_at")),
    ).subquery()
    c = both.c
    rows = tx.execute(
        select(c.job_id, c.state, func.sum(c.runs), func.max(c.last_at)).group_by(c.job_id, c.state)
    )
    return {(row[0], row[1]): (int(row[2]), row[3]) for row in rows}


def last_good(tx: Tx, job_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when a run of each of these jobs last ended well; a job of which none did is left out."""
    both = union_all(
        *(
            select(c.job_id, at.label("at")).where(c.job_id.in_(job_ids), c.state.in_(GOOD))
            for c, at in ((_t, _t.last_at), (_e, _e.ended_at))
        )
    ).subquery()
    found = tx.execute(select(both.c.job_id, func.max(both.c.at)).group_by(both.c.job_id))
    return {row[0]: row[1] for row in found}


def last_bad(tx: Tx) -> datetime | None:
    """Return when a run of any job last failed or timed out; of ends not added up yet, the newest count."""
    newest = select(_e.state, _e.ended_at.label("at")).order_by(_e.id.desc()).limit(NEWEST).subquery()
    both = union_all(
        select(_t.last_at.label("at")).where(_t.state.in_(BAD)),
        select(newest.c.at).where(newest.c.state.in_(BAD)),
    ).subquery()
    at: datetime | None = tx.execute(select(func.max(both.c.at))).scalar()
    return at


def last_successes(counted: Mapping[tuple[str, str], tuple[int, datetime]]) -> dict[str, datetime]:
    """Return from the counts when a run of each job last ended well."""
    found: dict[str, datetime] = {}
    for (job_id, state), (_, at) in counted.items():
        if state in GOOD:
            found[job_id] = max(at, found.get(job_id, at))
    return found


def timings(tx: Tx) -> dict[str, Timing]:
    """Return the histogram of each timing."""
    parts = [select(_b.timing, _b.bucket, _b.runs, _b.seconds)]
    for timing in BOUNDS:
        told = select(_bucket(timing).label("bucket"), _e[timing].label("seconds")).where(
            _e[timing].is_not(None)
        )
        c = told.subquery().c
        parts.append(select(literal(timing), c.bucket, func.count(), func.sum(c.seconds)).group_by(c.bucket))
    found = {timing: Counter[int]() for timing in BOUNDS}
    sums: dict[str, float] = defaultdict(float)
    for timing, bucket, runs, seconds in tx.execute(union_all(*parts)):
        found[timing][bucket] += int(runs)
        sums[timing] += seconds
    return {
        timing: Timing(tuple(found[timing][number] for number in range(len(bounds) + 1)), sums[timing])
        for timing, bounds in BOUNDS.items()
    }


def _bucket(timing: str) -> ColumnElement[int]:
    bounds = BOUNDS[timing]
    return case(*((_e[timing] <= bound, number) for number, bound in enumerate(bounds)), else_=len(bounds))


def fold(tx: Tx, *, most: int) -> int:
    """Add up to `most` rows of `run_ends` to the totals and to the days; return how many."""
    some = select(_e.id).order_by(_e.id).limit(most).with_for_update(skip_locked=True)
    buckets = (_bucket(timing).label(f"{timing}_bucket") for timing in BOUNDS)
    taken = delete(run_ends).where(_e.id.in_(some)).returning(*_e, *buckets)
    gone = tx.execute(taken).mappings().all()
    if not gone:
        return 0
    totals: dict[tuple[str, str], tuple[int, datetime]] = {}
    found: dict[tuple[str, int], tuple[int, float]] = {}
    days = Counter[tuple[str, str, str]]()
    for row in gone:
        days[row["job_id"], f"{row['ended_at'].date()}", row["state"]] += row["runs"]
        runs, last = totals.get((row["job_id"], row["state"]), (0, row["ended_at"]))
        totals[row["job_id"], row["state"]] = (runs + row["runs"], max(last, row["ended_at"]))
        for timing in BOUNDS:
            if (seconds := row[timing]) is not None:
                key = (timing, row[f"{timing}_bucket"])
                count, total = found.get(key, (0, 0.0))
                found[key] = (count + 1, total + seconds)
    _add_totals(tx, [(*key, *totals[key]) for key in sorted(totals)])
    _add_timings(tx, [(*key, *found[key]) for key in sorted(found)])
    run_days.add(tx, days)
    return len(gone)


def _add_totals(tx: Tx, rows: Iterable[tuple[str, str, int, datetime]]) -> None:
    # In one order, so that two folds at once wait for each other and never for ever.
    adding = insert(tx, run_totals)
    new = adding.excluded
    later = case((new.last_at > _t.last_at, new.last_at), else_=_t.last_at)
    tx.execute(
        adding.on_conflict_do_update(
            index_elements=["job_id", "state"], set_={"runs": _t.runs + new.runs, "last_at": later}
        ),
        [dict(zip(_t.keys(), row, strict=True)) for row in rows],
    )


def _add_timings(tx: Tx, rows: Sequence[tuple[str, int, int, float]]) -> None:
    if not rows:
        return
    adding = insert(tx, run_timings)
    new = adding.excluded
    tx.execute(
        adding.on_conflict_do_update(
            index_elements=["timing", "bucket"],
            set_={"runs": _b.runs + new.runs, "seconds": _b.seconds + new.seconds},
        ),
        [dict(zip(_b.keys(), row, strict=True)) for row in rows],
    )


def rename(tx: Tx, old: str, new: str) -> None:
    """Give a renamed job the totals and the days of its former id."""
    tx.execute(update(run_ends).where(_e.job_id == old).values(job_id=new))
    rows = tx.execute(
        delete(run_totals).where(_t.job_id == old).returning(_t.state, _t.runs, _t.last_at)
    ).all()
    if rows:
        _add_totals(tx, [(new, *row) for row in sorted(rows)])
    run_days.rename(tx, old, new)
