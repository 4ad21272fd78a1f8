"""What the processes of an attempt used while it ran, in words and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model.runs import Attempt
from chalicelib.model.usage import Usage
from chalicelib.text import capitalized, memory
from chalicelib.web import usage_charts
from chalicelib.web.charts import Chart
from chalicelib.web.usage_charts import share

from .running_now import OLD

PERCENT = 100


@dataclass(frozen=True, slots=True)
class Drawn:
    """One chart, for wide and narrow windows, and a sentence that says the same."""

    name: str
    charts: tuple[Chart, Chart]
    said: str


@dataclass(frozen=True, slots=True)
class Used:
    """What the newest attempt that was measured used.

    While it runs, `measured_at` is when it was measured last, `programs` are those that it ran then, and
    `now` is its memory and processor, unless that is too long ago.
    """

    attempt: int
    charts: tuple[Drawn, Drawn]
    now: tuple[str, str] | None
    measured_at: datetime | None
    programs: Sequence[str]


def used(attempts: Sequence[Attempt], limit_mb: float | None, now: datetime) -> Used | None:
    """Draw what the newest attempt that was measured used. `limit_mb` is what its memory may be, in MiB."""
    attempt = next((one for one in reversed(attempts) if one.usage), None)
    if attempt is None or attempt.usage is None:
        return None
    usage, runs = attempt.usage, attempt.finished_at is None
    kept = [point.memory_mb for point in usage.points]
    busy = [point.processors * PERCENT for point in usage.points]
    seconds = [point.seconds for point in usage.points]
    at_most = f"at most {memory(usage.peak_mb)}"
    on_average = f"{share(_average(usage) * PERCENT)} on average"
    measured_at = attempt.started_at + timedelta(seconds=usage.newest.seconds)
    newest = None
    if runs and now - measured_at <= OLD:
        newest = (memory(usage.newest.memory_mb), share(usage.newest.processors * PERCENT))
        at_most, on_average = f"{newest[0]} now, {at_most}", f"{newest[1]} now, {on_average}"
    limit = f"limit {memory(limit_mb)}" if limit_mb is not None else "it has no limit of its own"
    by_memory, by_processor = list(zip(seconds, kept, strict=True)), list(zip(seconds, busy, strict=True))
    return Used(
        attempt=attempt.number,
        charts=(
            Drawn(
                "Memory",
                (
                    usage_charts.of_memory(by_memory, limit_mb),
                    usage_charts.of_memory(by_memory, limit_mb, narrow=True),
                ),
                f"{capitalized(at_most)}; {limit}.",
            ),
            Drawn(
                "Processor",
                (
                    usage_charts.of_processors(by_processor),
                    usage_charts.of_processors(by_processor, narrow=True),
                ),
                f"{capitalized(on_average)}; 100 % is one processor, all the time.",
            ),
        ),
        now=newest,
        measured_at=measured_at if runs else None,
        programs=usage.programs,
    )


def _average(usage: Usage) -> float:
    """Return how many processors were busy on average, up to the newest measurement."""
    starts = (0.0, *(point.seconds for point in usage.points))
    spans = zip(usage.points, starts, strict=False)
    busy = sum(point.processors * (point.seconds - since) for point, since in spans)
    return busy / usage.newest.seconds
