"""The README's table of differences as data: its first column names a row, the others are the targets."""

from __future__ import annotations

import re
from functools import cache

from tests.e2e.outside import ROOT

HEADING = "## The same handlers everywhere"
COLUMNS = ("container", "postgres", "chalice-local", "lambda")  # in the order of the table

BESIDES = "a job that declares `secrets` sees besides"
CAUGHT_UP = "what was missed is caught up"


@cache
def table() -> dict[str, dict[str, str]]:
    """Return row name -> target -> cell."""
    _, found, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"{HEADING}\n")
    assert found, f"the README has no section {HEADING!r}"
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]
    assert all(len(row) == len(COLUMNS) + 1 for row in rows), rows
    return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows}


def differs(row: str, target: str) -> bool:
    """Return whether the table says that a target is not as the container is."""
    cells = table()[row]
    return cells[target] != cells[COLUMNS[0]]


def seconds(cell: str) -> float:
    """Return the number of seconds that a cell promises."""
    found = re.search(r"(\d+) s\b", cell)
    assert found, cell
    return float(found[1])
