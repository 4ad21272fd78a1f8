"""A plan: steps that were compared with what AWS has, shown before anything is done, then carried out in order.

Every step may be carried out again: it makes what is missing and leaves what is right. A plan that was cut
off is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from .cloud import explained

Tell = Callable[[str], None]


class Act(StrEnum):
    """What a step does."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is made, changed, kept or removed; `do` is handed what tells people how it goes."""

    act: Act
    what: str
    why: str = ""
    do: Callable[[Tell], None] = field(default=lambda _tell: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, and what people should know before they agree."""

    stage: str
    account: str
    region: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def due(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(step for step in self.steps if step.act is not Act.KEEP)


class Progress(Protocol):
    """Who is told how the plan goes."""

    def begins(self, step: Step, number: int, of: int) -> None:
        """Hear that a step begins."""

    def tells(self, line: str) -> None:
        """Hear what a step says meanwhile."""


def carry_out(steps: Sequence[Step], progress: Progress) -> None:
    """Do the steps in order. Raises AwsError at the first that fails; the next plan begins there."""
    for number, step in enumerate(steps, start=1):
        progress.begins(step, number, len(steps))
        with explained(f"{step.act} {step.what}"):
            step.do(progress.tells)


def judged(what: str, *, exists: bool, differs: Sequence[str], do: Callable[[Tell], None]) -> Step:
    """Return the step for a thing that should be there: `differs` names what is not as it should be."""
    if not exists:
        return Step(Act.CREATE, what, do=do)
    if differs:
        return Step(Act.CHANGE, what, ", ".join(differs), do)
    return Step(Act.KEEP, what)
