"""How a job is set, every policy in words, and who switched it when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.model.jobs import Catchup, JobSpec, Overlap
from chalicelib.store.standings import Standing
from chalicelib.text import about, counted, taken

_OVERLAP = {
    Overlap.SKIP: "an occurrence is skipped while a run is going on",
    Overlap.QUEUE: "an occurrence waits for the run before it",
    Overlap.REPLACE: "an occurrence stops the run before it",
    Overlap.ALLOW: "runs go on beside each other",
}
SWITCHES = 8  # that are shown


@dataclass(frozen=True, slots=True)
class Switch:
    """A time in which somebody had a job on or off. `ended` is None while it lasts."""

    enabled: bool
    since: datetime
    ended: datetime | None
    who: str | None
    reason: str | None


def switches(known: Sequence[Standing]) -> list[Switch]:
    """Return the switches of people that the standings of a job tell of, the newest first."""
    found = []
    for place, one in enumerate(known):
        before = known[place - 1] if place else None
        same = before is not None and before.overridden and _switch(before) == _switch(one)
        if not one.overridden or one.since is None or same:
            continue
        after = (later.since for later in known[place + 1 :] if _switch(later) != _switch(one))
        found.append(Switch(one.enabled, one.since, next(after, None), one.who, one.reason))
    return found[::-1][:SWITCHES]


def _switch(one: Standing) -> tuple[object, ...]:
    return one.overridden, one.enabled, one.who, one.reason, one.until


def set_up(spec: JobSpec) -> list[tuple[str, str]]:
    """Return how a job is set: the name of each policy and what it means, in words."""
    limit = taken(spec.timeout.total_seconds())
    backoff = about(spec.retry_backoff.total_seconds())
    tries = (
        f"up to {spec.max_attempts}, {backoff} apart at first, then longer"
        if spec.max_attempts > 1
        else "one"
    )
    jitter = f"up to {about(spec.jitter.total_seconds())} after its time" if spec.jitter else "at its time"
    return [
        ("Overlap", f"{spec.overlap}: {_OVERLAP[spec.overlap]}"),
        ("Catch-up", _catchup(spec)),
        ("Attempts", f"{tries}; each is stopped after {limit}"),
        ("Starts", jitter),
        ("Alert", f"after {counted(spec.alert_after, 'failed run')} in a row"),
        *_shared(spec),
        ("Isolation", spec.isolation),
        ("Secrets", _secrets(spec)),
    ]


def _shared(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Yield what a job shares with others and is limited to, where it is."""
    if spec.pool is not None:
        yield "Pool", spec.pool
    if spec.priority:
        yield "Priority", f"{spec.priority}: {'before' if spec.priority > 0 else 'after'} those of priority 0"
    if spec.memory_mb is not None:
        yield "Memory", f"an attempt is ended above {spec.memory_mb:g} MB"
    if spec.max_processes is not None:
        yield "Processes", f"an attempt is ended above {spec.max_processes}"
    if spec.slow_after is not None:
        yield "Slow", f"told when an attempt runs for {taken(spec.slow_after.total_seconds())}"


def _catchup(spec: JobSpec) -> str:
    window = about(spec.catchup_window.total_seconds())
    if spec.catchup is Catchup.NONE:
        return "none: what is missed is not made good"
    if spec.catchup is Catchup.LATEST:
        return f"latest: the last one missed is made good, within {window}"
    return f"all: up to {spec.catchup_max} missed ones are made good, within {window}"


def _secrets(spec: JobSpec) -> str:
    if spec.secrets is None:
        return "the whole environment"
    return ", ".join(str(one.get("key")) for one in spec.secrets) or "none"
