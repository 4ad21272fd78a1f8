"""Chains as values: which definitions may follow which, and what the end of a parent means.

Nothing here reads a store or a clock. A *root* is the schedule that a job's occurrences come from: its own
cron and zone, or that of the jobs it follows if it has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .jobs import JobSpec
from .runs import GOOD, JobId, Run, RunState

_FOLLOWS = ", which it follows, "


def refusals(specs: Mapping[JobId, JobSpec]) -> dict[JobId, str]:
    """Return why each job whose `after` cannot be kept is refused: unknown parents, cycles, unequal roots."""
    refused: dict[JobId, str] = {}
    while found := dict(_faults({one: spec for one, spec in specs.items() if one not in refused}, specs)):
        refused |= found
    return refused


def _faults(good: Mapping[JobId, JobSpec], given: Mapping[JobId, JobSpec]) -> Iterator[tuple[JobId, str]]:
    for spec in good.values():
        lost = [parent for parent in spec.after if parent not in good]
        if lost:
            known = [parent for parent in lost if parent in given]
            why = "is left out itself" if known else "is not a job of this manifest"
            yield (
                spec.id,
                f"after names {(known or lost)[0]!r}, which {why}. Write the ids of jobs that are there.",
            )
        elif circle := _circle(spec.id, good):
            yield spec.id, f"after makes a circle: {' -> '.join(circle)}. Take one of these steps out."
    if any(spec.id for spec in good.values() if any(parent not in good for parent in spec.after)):
        return
    for spec in good.values():
        if len(spec.after) > 1 and not _circle(spec.id, good):
            roots = {parent: root(good, parent) for parent in spec.after}
            if len(set(roots.values())) > 1:
                shown = ", ".join(f"{parent}: {cron!r} in {zone}" for parent, (cron, zone) in roots.items())
                yield (
                    spec.id,
                    (
                        f"after names jobs whose schedules differ ({shown}), so they never fire together. "
                        "Give them the same cron and timezone, or follow one of them."
                    ),
                )


def _circle(start: JobId, specs: Mapping[JobId, JobSpec]) -> list[str] | None:
    """Return the steps from a job back to itself, or None."""
    paths: list[list[JobId]] = [[start]]
    seen: set[JobId] = set()
    while paths:
        path = paths.pop()
        for parent in specs[path[-1]].after if path[-1] in specs else ():
            if parent == start:
                return [*path, start]
            if parent not in seen:
                seen.add(parent)
                paths.append([*path, parent])
    return None


def root(specs: Mapping[JobId, JobSpec], job_id: JobId) -> tuple[str, str]:
    """Return cron and zone of the schedule that a job's occurrences come from; no circle may be there."""
    spec = specs[job_id]
    while not spec.cron and spec.after and spec.after[0] in specs:
        spec = specs[spec.after[0]]
    return spec.cron, spec.timezone


@dataclass(frozen=True, slots=True)
class Next:
    """What the ends of a child's parents mean for it: a run if `reason` is None, else a skipped row."""

    reason: str | None
    parents: Mapping[str, Mapping[str, Any]]


def follow(
    after: Sequence[str], ended: Mapping[str, Run], absent: Mapping[str, str] = MappingProxyType({})
) -> Next | None:
    """Return what follows for a child from the ended runs of its parents for one occurrence; None: it waits.

    `absent` says of parents that have no run for it why not. The first parent that did not end well, or has
    no run, decides at once.
    """
    for parent in after:
        run = ended.get(parent)
        if run is not None and run.state not in GOOD:
            return Next(_why_not(run), {})
        if run is None and parent in absent:
            return Next(f"{parent}{_FOLLOWS}{absent[parent]}", {})
    if any(parent not in ended for parent in after):
        return None
    return Next(None, {parent: _told(ended[parent]) for parent in after})


def stopped_by(run: Run) -> str | None:
    """Return the parent because of which an occurrence of its child did not run; None for any other run."""
    parent, says, _ = (run.reason or "").partition(_FOLLOWS)
    return parent if says and run.state is RunState.SKIPPED else None


def _told(run: Run) -> dict[str, Any]:
    return {"run_id": run.id, "state": run.state.value, "result": run.result}


def _why_not(run: Run) -> str:
    how = {
        RunState.FAILED: "failed",
        RunState.TIMED_OUT: "timed out",
        RunState.CANCELLED: "was cancelled",
        RunState.SKIPPED: "was skipped",
        RunState.MISSED: "was missed",
    }[run.state]
    return f"{run.job_id}{_FOLLOWS}{how} (run {run.id})"
