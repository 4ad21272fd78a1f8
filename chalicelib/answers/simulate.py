"""The simulation: when the occurrences of a set of jobs would start and end, with so many workers.

Times are virtual and every run ends well, so nothing is tried again; what is running or waiting when the span
begins is not looked at. How long a run takes is what its job's good runs took before. Same input, same bytes.

Limit: `MOST` occurrences at once, and a year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from chalicelib.clock import iso
from chalicelib.cron.minutes import Minutes
from chalicelib.errors import SpanError
from chalicelib.model.jobs import Overlap

from .asked_time import FIRST_YEAR, LAST_YEAR
from .job_set import JobSet
from .virtual_jobs import fires_of, following, occurrences_of, since, virtual_jobs_of
from .virtual_time import VirtualRun, VirtualTime

MOST = 100_000
LONGEST = timedelta(days=366)
WITHOUT_HISTORY = 1.0  # seconds that a run of a job without good runs is taken for
SLOW = 0.95  # of the runs are no slower, with `pessimistic`
_MICROSECOND = timedelta(microseconds=1)

Taken = Mapping[str, Sequence[float]]
"""Seconds that the newest good runs of each job took."""


def check_span(start: datetime, end: datetime) -> None:
    """Raise SpanError for a span that is empty, longer than a year, or outside the years of schedules."""
    if not (start.year >= FIRST_YEAR and end.year <= LAST_YEAR):
        raise SpanError(
            f"From {iso(start)} to {iso(end)} is outside the years {FIRST_YEAR} to {LAST_YEAR}. "
            "Write a time nearer to now."
        )
    if end <= start:
        raise SpanError(f"to={iso(end)} is not after from={iso(start)}. Write a later time.")
    if end - start > LONGEST:
        raise SpanError(
            f"From {iso(start)} to {iso(end)} are over {LONGEST.days} days. Write an earlier time for to."
        )


def usual_seconds(taken: Sequence[float], *, pessimistic: bool) -> float:
    """Return how long a run is taken to last: the median, or the 95th percentile by nearest rank."""
    if not taken:
        return WITHOUT_HISTORY
    if pessimistic:
        return sorted(taken)[math.ceil(SLOW * len(taken)) - 1]
    return median(taken)


def simulate(
    jobs: JobSet,
    taken: Taken,
    *,
    start: datetime,
    end: datetime,
    workers: int,
    pessimistic: bool = False,
    pools: Mapping[str, int] | None = None,
    most: int = MOST,
) -> dict[str, Any]:
    """Simulate the occurrences that fire from `start` to before `end`, and what follows them.

    `pools` are the sizes of the pools that have one. Raises SpanError.
    """
    check_span(start, end)
    minutes = Minutes(start - _MICROSECOND, end - _MICROSECOND)
    own = fires_of(jobs, minutes)
    fires = dict(sorted((own | following(jobs, own)).items()))
    count = sum(bits.bit_count() for bits in fires.values())
    if count > most:
        raise SpanError(
            f"{count} occurrences lie between {iso(start)} and {iso(end)}, and at most {most} are simulated. "
            "Write an earlier time for to."
        )
    seconds = {
        job_id: round(usual_seconds(taken.get(job_id, ()), pessimistic=pessimistic), 6) for job_id in fires
    }
    at = {job_id: since(start, minutes, bits) for job_id, bits in fires.items()}
    virtual_jobs = virtual_jobs_of(jobs, at, seconds, start)
    fired = {
        job_id: at[job_id] if fires[job_id] == bits else since(start, minutes, bits)
        for job_id, bits in own.items()
    }
    due = occurrences_of(jobs, virtual_jobs, fired, start)
    virtual = VirtualTime(due, workers=workers, pools=pools)
    virtual.run()
    ran = [run for run in virtual.runs if run.starts is not None]
    busy = sum((run.ends or 0) - (run.starts or 0) for run in ran)
    texts = _Texts(start)
    rows = [(run.fire, run.job.job_id, _row(run, texts)) for run in virtual.runs]
    missed = sum(run.why_not is not None and run.job.missed for run in virtual.runs)
    rows.sort(key=lambda one: one[:2])
    return {
        "from": iso(start),
        "to": iso(end),
        "workers": workers,
        "pessimistic": pessimistic,
        "runs": [row for _, _, row in rows],
        "summary": {
            "runs": len(ran),
            "skipped": len(virtual.runs) - len(ran) - missed,
            "missed": missed,
            "longest_wait_seconds": max(((run.starts or 0) - run.due for run in ran), default=0) / 1_000_000,
            "busiest": {"at": texts[virtual.most_at] if ran else None, "running": virtual.most},
            "busy_share": round(busy / (workers * ((end - start) // _MICROSECOND)), 6),
        },
        "durations": [
            {
                "job_id": job_id,
                "seconds": seconds[job_id],
                "runs": len(taken.get(job_id, ())),
                "source": "history" if taken.get(job_id) else "assumed",
            }
            for job_id in fires
        ],
        "notes": list(_notes([job_id for job_id in fires if not taken.get(job_id)])),
    }


class _Texts(dict[int, str]):
    """The instants as text, by microseconds since the beginning."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._start = start

    def __missing__(self, at: int) -> str:
        text = self[at] = iso(self._start + timedelta(microseconds=at))
        return text


def _row(run: VirtualRun, texts: _Texts) -> dict[str, Any]:
    state = "ran" if run.starts is not None else "missed" if run.job.missed else "skipped"
    return {
        "job_id": run.job.job_id,
        "fire_at": texts[run.fire],
        "due_at": texts[run.due],
        "starts_at": None if run.starts is None else texts[run.starts],
        "ends_at": None if run.ends is None else texts[run.ends],
        "state": state,
        "waited_seconds": 0.0 if run.starts is None else (run.starts - run.due) / 1_000_000,
        "reason": _reason(run, texts),
    }


def _reason(run: VirtualRun, texts: _Texts) -> str | None:
    if run.why_not is not None:
        return run.why_not
    if run.skipped_for is not None:
        other = texts[run.skipped_for.fire]
        if run.job.overlap is Overlap.REPLACE:
            return f"overlap: replaced by the run of {other}"
        return f"overlap: the run of {other} was not over"
    if run.replaced_by is not None:
        return f"overlap: ended by the run of {texts[run.replaced_by.fire]}"
    return None if run.starts is None or run.starts == run.due else _waited_for(run, texts)


def _waited_for(run: VirtualRun, texts: _Texts) -> str:
    if run.waited_for is not None:
        return f"overlap: waited for the run of {texts[run.waited_for.fire]}"
    return f"waited for the pool {run.job.pool}" if run.waited_for_pool else "waited for a worker"


def _notes(without: Sequence[str]) -> list[str]:
    notes = ["Every run is taken to end well; what is running, queued or paused now is not looked at."]
    if without:
        named = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")  # noqa: PLR2004 - enough to see
        notes.append(f"Without good runs in the history, a run is taken for 1 s: {named}.")
    return notes
