"""A plan: steps that were compared with what AWS has, shown to the operator, then applied in order.

Every step may be repeated: it creates what is missing and keeps what is right. After an interruption a new
plan is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from .cloud import aws_errors

Report = Callable[[str], None]


class Act(StrEnum):
    """What a step does."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Step:
    """One resource that is created, changed, kept or removed; `do` gets a function that prints progress."""

    act: Act
    what: str
    why: str = ""
    do: Callable[[Report], None] = field(default=lambda _report: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, and notes that the operator should read before agreeing."""

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
    """Receives the progress of a plan."""

    def step_started(self, step: Step, number: int, of: int) -> None:
        """Note that a step starts; `number` counts from 1."""

    def line(self, text: str) -> None:
        """Note a line of the step's output."""


def apply(steps: Sequence[Step], progress: Progress) -> None:
    """Do the steps in order. Raises AwsError at the first failure; the next plan starts at that step."""
    for number, step in enumerate(steps, start=1):
        progress.step_started(step, number, len(steps))
        with aws_errors(f"{step.act} {step.what}"):
            step.do(progress.line)


def step_for(what: str, *, exists: bool, differs: Sequence[str], do: Callable[[Report], None]) -> Step:
    """Return the step for a resource that should exist; `differs` names what is not as it should be."""
    if not exists:
        return Step(Act.CREATE, what, do=do)
    if differs:
        return Step(Act.CHANGE, what, ", ".join(differs), do)
    return Step(Act.KEEP, what)
