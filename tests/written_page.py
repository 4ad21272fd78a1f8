"""The parts of pages in docs/ that are written by what measured them, between two marks."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]


def marks(writer: str) -> tuple[str, str]:
    """Return the lines between which a command such as `make bench` writes."""
    return f"<!-- written by {writer}: begin -->", f"<!-- written by {writer}: end -->"


def write(page: Path, writer: str, lines: Iterable[str]) -> None:
    """Put lines into a page, between the marks of their writer. Raises ValueError without the marks."""
    begin, end = marks(writer)
    text = page.read_text(encoding="utf-8")
    if not (begin in text and end in text):
        raise ValueError(f"{page} lacks the marks of {writer}")
    before, _, rest = text.partition(begin)
    page.write_text("\n".join([before + begin, *lines, end]) + rest.partition(end)[2], encoding="utf-8")


def written(page: Path, writer: str) -> list[str]:
    """Return the lines that stand between the marks of a writer."""
    begin, end = marks(writer)
    return page.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip().splitlines()


def table(rows: Sequence[Sequence[str]], *, aligned: bool = True) -> Iterator[str]:
    """Yield the lines of a Markdown table; `aligned`: its columns are as wide as their longest text."""
    widths = [max(map(len, column)) if aligned else 0 for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def measured_on() -> Iterator[str]:
    """Yield when, of which commit and on what machine something has just been measured."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
        chip = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    ).stdout.strip()
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}:"
    yield f"{os.cpu_count()} cores ({chip}),"
    yield f"load at the end {os.getloadavg()[1]:.1f}, Linux {platform.release().split('-')[0]},"
    yield f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
