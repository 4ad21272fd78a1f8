"""A job's past in numbers: what one page about it shows of a year, of 30 days and of its last runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median, quantiles

from chalicelib.model.runs import BAD, GOOD, Run, RunState
from chalicelib.store import history, run_days
from chalicelib.store.database import Tx

YEAR = timedelta(days=371)  # 53 weeks, so that the map has whole columns
MONTH = timedelta(days=30)
LAST = 60  # runs of the plot
FEW = 5  # good runs from which a share of them says anything
# The worst of a day wins, in this order.
WORST = (
    RunState.FAILED,
    RunState.TIMED_OUT,
    RunState.MISSED,
    RunState.DEGRADED,
    RunState.SKIPPED,
    RunState.CANCELLED,
    RunState.SUCCEEDED,
)


@dataclass(frozen=True, slots=True)
class Durations:
    """The last executed runs, the oldest first, and what is usual among the good ones, in seconds.

    `good` are the seconds of the good ones, the newest first, also of those before `runs`.
    `low` and `high` hold nine of ten good runs; None where there are too few of them.
    """

    runs: Sequence[Run]
    usual: float | None
    low: float | None
    high: float | None
    good: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class JobHistory:
    """`days` has the worst state of each day with any; the other members count the last 30 days."""

    days: Mapping[date, RunState]
    counts: Mapping[RunState, int]  # of the year
    good: int
    judged: int
    skipped: int
    missed: int
    durations: Durations


def seconds(run: Run) -> float:
    """Return how long an executed run took."""
    return (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else 0.0


def job_history(tx: Tx, job_id: str, *, now: datetime) -> JobHistory:
    """Return the past of a job."""
    worst: dict[date, RunState] = {}
    counts: dict[RunState, int] = {}
    lately: dict[RunState, int] = {}
    for day, state, count in run_days.of_job(tx, job_id, since=(now - YEAR).date()):
        if day not in worst or WORST.index(state) < WORST.index(worst[day]):
            worst[day] = state
        counts[state] = counts.get(state, 0) + count
        if day > (now - MONTH).date():
            lately[state] = lately.get(state, 0) + count
    good = sum(lately.get(state, 0) for state in GOOD)
    return JobHistory(
        days=worst,
        counts=counts,
        good=good,
        judged=good + sum(lately.get(state, 0) for state in BAD),
        skipped=lately.get(RunState.SKIPPED, 0),
        missed=lately.get(RunState.MISSED, 0),
        durations=_durations(history.executed(tx, job_id)),
    )


def _durations(newest_first: Sequence[Run]) -> Durations:
    took = [seconds(run) for run in newest_first if run.state in GOOD]
    low = high = None
    if len(took) >= FEW:
        cuts = quantiles(took, n=20, method="inclusive")
        low, high = cuts[0], cuts[-1]
    return Durations(list(reversed(newest_first[:LAST])), median(took) if took else None, low, high, took)
