"""How long the runs of jobs usually take, and whether they grow slower: one question for many jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median

from chalicelib.store import past_runs
from chalicelib.store.database import Tx

LAST = 100  # ended runs that are looked at
POINTS = 24  # of a trend
ENOUGH = 20  # good runs from which a change says anything
THIRD = 3  # the newest third is compared with the oldest


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the good ones of a job's last runs took.

    `usual` is their median in seconds, None without any. `change` is by which share the newest third of them
    is slower than the oldest, None of too few. `trend` has at most `POINTS` medians, the oldest first, each
    as a share of the usual.
    """

    usual: float | None = None
    change: float | None = None
    trend: tuple[float, ...] = ()


def paces(tx: Tx, job_ids: Sequence[str]) -> dict[str, Pace]:
    """Return the pace of each of these jobs."""
    found = past_runs.good_seconds_of(tx, job_ids, most=LAST)
    return {job_id: _paced(tuple(found.get(job_id, ()))) for job_id in job_ids}


@lru_cache(maxsize=256)
def _paced(newest_first: tuple[float, ...]) -> Pace:
    """Work a pace out once, until another run of the job has ended."""
    return pace(newest_first)


def pace(newest_first: Sequence[float]) -> Pace:
    """Return the pace of good runs that took so many seconds each, the newest first."""
    took = list(reversed(newest_first))
    if not took:
        return Pace()
    usual, third = median(took), len(took) // THIRD
    before = median(took[:third]) if len(took) >= ENOUGH else 0
    change = median(took[-third:]) / before - 1 if before else None
    cuts = [round(place * len(took) / POINTS) for place in range(POINTS + 1)]
    parts = [took[begin:end] for begin, end in pairwise(cuts) if end > begin]
    return Pace(usual, change, tuple(median(part) / usual for part in parts) if usual else ())
