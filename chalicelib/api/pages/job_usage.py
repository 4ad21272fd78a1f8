"""What the last runs of a job used, in words and charts: memory and processor time, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median

from chalicelib.model.runs import Run
from chalicelib.store.past_runs import Used
from chalicelib.text import capitalized, memory, taken
from chalicelib.web import usage_charts
from chalicelib.web.zoned import shown_on

from .run_usage import Drawn

FEWEST = 2  # runs that say anything


def used(runs: Sequence[Run], of_runs: dict[str, Used], limit_mb: float | None, now: datetime) -> list[Drawn]:
    """Draw what these runs used, the oldest first; empty if it is known of one of them at most."""
    known = [(run, of_runs[run.id]) for run in runs if run.id in of_runs]
    if len(known) < FEWEST:
        return []
    ends = (shown_on(known[0][0].due_at, now), shown_on(known[-1][0].due_at, now))
    kept = [(float(place), one.memory_mb) for place, (_, one) in enumerate(known)]
    busy = [(float(place), one.cpu_seconds) for place, (_, one) in enumerate(known)]
    limit = f"; limit {memory(limit_mb)}" if limit_mb is not None else ""
    of_memory = usage_charts.of_memory(kept, limit_mb, ends=ends, narrow=True)
    of_processor = usage_charts.of_seconds(busy, ends=ends, narrow=True)
    return [
        Drawn("Memory", (of_memory, of_memory), f"{_said([mb for _, mb in kept], memory)}{limit}."),
        Drawn("Processor time", (of_processor, of_processor), f"{_said([one for _, one in busy], taken)}."),
    ]


def _said(values: Sequence[float], said: usage_charts.Saying) -> str:
    return capitalized(
        f"usually {said(median(values))}, at most {said(max(values))}, the last time {said(values[-1])}"
    )
