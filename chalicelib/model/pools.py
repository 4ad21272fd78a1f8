"""Pools as values: what a run that waits for one is told, and which have no size."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

DEFAULT_SIZE = 1  # of a pool that SAURON_POOLS does not name


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pool without room: how many runs of it are running, and how many may."""

    pool: str
    running: int
    size: int


def unsized(pools: Collection[str], sizes: Collection[str]) -> dict[str, str]:
    """Return a remark for each pool of jobs that has no size, by its name."""
    return {
        name: f"Pool {name!r} has no size in SAURON_POOLS, so one run of it runs at a time"
        for name in sorted(set(pools) - set(sizes))
    }


def unequal(ours: Mapping[str, int], in_force: Mapping[str, int]) -> list[str]:
    """Return a sentence if a runner's sizes are not those in force, which are those of the last tick."""
    if ours == in_force:
        return []
    said = f"SAURON_POOLS of this runner says {_said(ours)}, but {_said(in_force)} is in force"
    return [f"{said}: another runner ticked last, and it has other sizes. Give all runners the same."]


def _said(sizes: Mapping[str, int]) -> str:
    return ",".join(f"{name}:{size}" for name, size in sorted(sizes.items())) or "nothing"
