"""A simulation as a picture of letters: one line a job, one column a part of the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

RUNS, WAITS, SKIPPED, MISSED, IDLE = "#", "-", "x", "!", "."
_RANK = IDLE + WAITS + RUNS + SKIPPED + MISSED  # what is seen where several fall into one column
HEAD = "UTC"
NAME = 30  # letters of a job's id
DATES = 30  # columns from which the dates are shown


def timeline(found: Mapping[str, Any], *, width: int | None = None) -> Iterator[str]:
    """Yield the lines of a simulation's picture, as wide as the terminal or `width` letters."""
    start, end = datetime.fromisoformat(found["from"]), datetime.fromisoformat(found["to"])
    names = sorted({run["job_id"] for run in found["runs"]})
    left = min(NAME, max(map(len, [HEAD, *names]))) + 1
    columns = max(12, (width or shutil.get_terminal_size().columns) - left)
    lines = {name: [IDLE] * columns for name in names}

    def column(text: str) -> int:
        return int((datetime.fromisoformat(text) - start) / (end - start) * columns)

    def mark(name: str, first: int, last: int, letter: str) -> None:
        for place in range(max(0, first), min(last, columns - 1) + 1):
            if _RANK.index(letter) > _RANK.index(lines[name][place]):
                lines[name][place] = letter

    for run in found["runs"]:
        due = column(run["due_at"])
        if run["state"] != "ran":
            mark(run["job_id"], due, due, MISSED if run["state"] == "missed" else SKIPPED)
            continue
        begun = column(run["starts_at"])
        mark(run["job_id"], due, begun - 1, WAITS)
        mark(run["job_id"], begun, max(begun, column(run["ends_at"]) - 1), RUNS)
    form = "%m-%d %H:%M" if columns >= DATES else "%H:%M"
    begins, ends = f"{start:{form}}", f"{end:{form}}"
    yield f"{HEAD:<{left}}{begins}{ends:>{columns - len(begins)}}"
    for name in names:
        yield f"{name[:NAME]:<{left}}{''.join(lines[name])}"
    yield f"{'':<{left}}{RUNS} runs  {WAITS} waits  {SKIPPED} skipped  {MISSED} missed"
