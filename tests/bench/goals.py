"""The table of goals: what was measured beside which peer or limit, in one run, and whether that is enough.

A bench returns a `Report`. What could not be measured is a row too, with the reason: the others go on.
"""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests import written_page

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
HEAD = ("workload", "Sauron", "peer or limit", "ratio or value", "goal", "reached", "durability")


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the table. `goal` is an operator, a number and maybe a unit: ">= 0.6", "< 3 ms".

    `value` is what the goal speaks of, a ratio where it has no unit; None if it was not measured, and then
    `beside` says why.
    """

    workload: str
    goal: str
    value: float | None
    ours: str = ""
    beside: str = ""
    durability: str = ""

    @property
    def bound(self) -> float:
        """The number of the goal."""
        return float(self.goal.split()[1])

    @property
    def reached(self) -> bool | None:
        """Whether the value is as the goal says, None if it was not measured."""
        return None if self.value is None else _COMPARE[self.goal.split()[0]](self.value, self.bound)

    @property
    def share(self) -> float | None:
        """How much of the goal is reached: 1 is just enough, more is better."""
        if not self.value:
            return None
        return self.bound / self.value if self.goal.startswith("<") else self.value / self.bound

    @property
    def label(self) -> str:
        """The row in short: the workload, the goal, and beside whom."""
        whose = self.beside.partition(":")[0]
        return f"{self.workload} {self.goal}" + (f" x {whose}" if whose else "")

    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of `HEAD`."""
        unit = " ".join(self.goal.split()[2:])
        value = "" if self.value is None else f"{self.value:.3g} {unit}".strip()
        word = {None: "not measured", True: "yes", False: "no"}[self.reached]
        return (self.workload, self.ours, self.beside, value, self.goal, word, self.durability)


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart: bars of one unit, of which some are ours. `line` is where a goal stands."""

    name: str
    title: str
    bars: tuple[tuple[str, float, bool], ...]
    line: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a bench has to say to the goals."""

    goals: tuple[Goal, ...] = ()
    charts: tuple[Bars, ...] = ()


@dataclass(slots=True)
class Turns:
    """Rates that were measured in turns. One that failed keeps its error and has no more turns."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def take(self, measured: Mapping[str, Callable[[], float]]) -> None:
        """Measure each once, those that failed before excepted."""
        for name, measure in measured.items():
            if name in self.errors:
                continue
            try:
                self.rates.setdefault(name, []).append(measure())
            except Exception as error:  # noqa: BLE001 - a peer may fail in any way; the others go on
                self.errors[name] = said(error)
                self.rates.pop(name, None)

    def median(self, name: str) -> float:
        """Return the middle rate."""
        return statistics.median(self.rates[name])

    def ratio(self, ours: str, theirs: str) -> float:
        """Return the middle of the rounds' ratios, since a round's machine is the same for both."""
        pairs = zip(self.rates[ours], self.rates[theirs], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def goal(
        self, workload: str, goal: str, ours: str, theirs: str, *, unit: str = "runs/s", durability: str = ""
    ) -> Goal:
        """Return the row that compares two rates."""
        for name in (ours, theirs):
            if name not in self.rates:
                why = self.errors.get(name, "it could not be had here")
                return Goal(workload, goal, None, beside=f"{name}: {why}", durability=durability)
        return Goal(
            *(workload, goal, self.ratio(ours, theirs)),
            ours=f"{self.median(ours):,.0f} {unit}",
            beside=f"{theirs}: {self.median(theirs):,.0f} {unit}",
            durability=durability,
        )

    def chart(self, name: str, title: str, ours: str) -> Bars:
        """Return the middle rates as bars; those whose name begins with `ours` are ours."""
        bars = ((what, self.median(what), what.startswith(ours)) for what in self.rates)
        return Bars(name, title, tuple(sorted(bars, key=lambda bar: -bar[1])))


def said(error: BaseException) -> str:
    """Return an error as one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:160].replace("|", "/")


def table(goals: list[Goal]) -> Iterator[str]:
    """Yield the lines of the table of goals."""
    return written_page.table([HEAD, *(goal.cells() for goal in goals)])
