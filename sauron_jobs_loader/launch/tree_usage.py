"""What the processes of a running attempt use at this moment, and which programs they are.

Limits: reading about a process that hangs in the kernel, on a dead network disk for example, may hang as
well, so nothing that an attempt depends on waits for it. Where orphans are not adopted, daemons are not seen.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from sauron_jobs_loader.process import tree
from sauron_jobs_loader.process.tree_limits import KIB_PER_MIB, pss_kb

OWN_NAME = "sauron-job"
"""How a job's process is named, and those that it forks, until they become another program."""

LOOK_SECONDS = 0.5
"""One pass over /proc serves all attempts that are looked at within this time."""

_OWN, _OF_CHILDREN = slice(11, 13), slice(13, 15)  # utime, stime; cutime, cstime in stat, after the name
_TICKS = os.sysconf("SC_CLK_TCK")

_last_pass: tuple[float, tree.Children] = (float("-inf"), {})


class TreeUsage(NamedTuple):
    """One look at a tree.

    `memory_mb` is the proportional share (PSS) of all its processes in MiB. `cpu_seconds` is the processor
    time of them and of the children that they waited for; `reaped_seconds` that of the children that the root
    waited for since its own start. `programs` are the names of processes that are not the job's own Python,
    each once.
    """

    memory_mb: float
    cpu_seconds: float
    reaped_seconds: float
    programs: tuple[str, ...]


def look_at(root: int) -> TreeUsage | None:
    """Look at all that is below a process; None if nothing is alive there.

    What begins or ends meanwhile may be missed.
    """
    found = [(one, known) for one in tree.descendants(root, _children()) if (known := _known(one.pid))]
    alive = [(one.pid, known) for one, known in found if one.alive]
    of_root = _known(root)
    if not alive or of_root is None:
        return None
    return TreeUsage(
        memory_mb=round(sum(pss_kb(pid) for pid, _ in alive) / KIB_PER_MIB, 1),
        # one that ended is there, with its time, until its parent has waited for it
        cpu_seconds=sum(known.own + known.of_children for _, known in found),
        reaped_seconds=of_root.of_children,
        programs=tuple(dict.fromkeys(known.name for _, known in alive if known.name not in {OWN_NAME, ""})),
    )


def _children() -> tree.Children:
    global _last_pass  # noqa: PLW0603 - a cache of half a second
    at, children = _last_pass
    if time.monotonic() - at > LOOK_SECONDS:
        _last_pass = (time.monotonic(), children := tree.children())
    return children


class _Known(NamedTuple):
    name: str
    own: float  # seconds of processor time
    of_children: float


def _known(pid: int) -> _Known | None:
    try:
        named, _, rest = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")
    except OSError:
        return None
    fields = rest.split()
    name = " ".join(named.partition(b"(")[2].decode(errors="replace").split())
    return _Known(name, _seconds(fields[_OWN]), _seconds(fields[_OF_CHILDREN]))


def _seconds(ticks: list[bytes]) -> float:
    return sum(map(int, ticks)) / _TICKS
