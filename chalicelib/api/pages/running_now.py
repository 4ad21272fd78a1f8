"""A run in progress beside its usual duration and its limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model.runs import Run
from chalicelib.store import past_runs
from chalicelib.store.database import Tx
from chalicelib.text import about

ROOM = 1.1  # the full bar, of the usual duration


@dataclass(frozen=True, slots=True)
class Running:
    """A run in progress, measured in hundredths of the bar: the usual duration stands at `usual_at`."""

    run: Run
    percent: int
    usual_at: int | None
    slow: bool
    beside: tuple[str, str]


def measure(tx: Tx, run: Run, limit: timedelta | None, *, now: datetime) -> Running:
    """Measure a run. `limit` is what one attempt may take, None if it is not known.

    The full bar is a tenth more than the usual duration. Once that is over it is the limit.
    """
    took = (now - (run.started_at or now)).total_seconds()
    usual = past_runs.usual_seconds(tx, run.job_id)
    most = limit.total_seconds() if limit else None
    slow = usual is not None and took > usual
    full = usual * ROOM if usual is not None and took <= usual * ROOM else max(took, most or 0)
    full = max(full, 1.0)
    if usual is None or slow:
        left = f"stopped in {about(max(0.0, most - took))}" if most is not None else ""
    else:
        left = f"about {about(usual - took)} left"
    first = about(took)
    if usual is not None:
        first = f"{first}, usually {about(usual)}" if slow else f"{first} of {about(usual)}"
    at = None if usual is None else min(100, round(usual / full * 100))
    return Running(run, min(100, round(took / full * 100)), at, slow, (first, left))
