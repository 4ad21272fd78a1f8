"""A run in progress beside its usual duration and its limit, and what it uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model.runs import Run
from chalicelib.store import past_runs
from chalicelib.store.database import Tx
from chalicelib.store.past_runs import Measured
from chalicelib.text import about, memory

ROOM = 1.1  # the full bar, of the usual duration
BEYOND = 1.06  # the full bar, of the limit
OLD = timedelta(seconds=30)  # of a measurement


@dataclass(frozen=True, slots=True)
class Running:
    """A run in progress, measured in hundredths of the bar.

    The usual duration stands at `usual_at`; its limit at `limit_at`, once the usual duration is over. `uses`
    is what its processes used lately, empty if that is not known, and `programs` those that ran then.
    """

    run: Run
    percent: int
    usual_at: int | None
    limit_at: int | None
    slow: bool
    beside: tuple[str, str]
    uses: str
    programs: Sequence[str]


def measure(tx: Tx, run: Run, limit: timedelta | None, used: Measured | None, *, now: datetime) -> Running:
    """Measure a run. `limit` is what one attempt may take, `used` its measurements; None: not known.

    The full bar is a tenth more than the usual duration. Once that is over it is the limit.
    """
    took = max(0.0, (now - (run.started_at or now)).total_seconds())  # it may have begun after `now` was read
    usual = past_runs.usual_seconds(tx, run.job_id)
    most = limit.total_seconds() if limit else None
    slow = usual is not None and took > usual
    by_usual = usual is not None and took <= usual * ROOM
    full = max((usual or 0) * ROOM if by_usual else max(took, (most or 0) * BEYOND), 1.0)
    if usual is None or slow:
        left = f"stopped in {about(max(0.0, most - took))}" if most is not None else ""
    else:
        left = f"about {about(usual - took)} left"
    first = about(took)
    if usual is not None:
        first = f"{first}, usually {about(usual)}" if slow else _of(first, about(usual))
    at = None if usual is None else min(100, round(usual / full * 100))
    limit_at = None if by_usual or most is None else min(100, round(most / full * 100))
    percent = min(100, round(took / full * 100))
    uses, programs = ("", ()) if used is None else (_uses(used, now), used.usage.programs)
    return Running(run, percent, at, limit_at, slow, (first, left), uses, programs)


def _uses(used: Measured, now: datetime) -> str:
    """Say the newest measurement of what a run uses, and how old it is if it is older than others are."""
    newest, age = used.usage.newest, now - used.measured_at
    said = f"{memory(newest.memory_mb)}, processor {newest.processors * 100:.0f} %"
    return said if age <= OLD else f"{said}, {about(age.total_seconds())} ago"


def _of(part: str, whole: str) -> str:
    """Say "16 of 26 min" where both are of one unit, "50 s of 26 min" where they are not."""
    number, _, unit = part.partition(" ")
    return f"{number if whole.endswith(f' {unit}') else part} of {whole}"
