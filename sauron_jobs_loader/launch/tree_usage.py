"""What the processes of a running attempt use at this moment, and which programs they are.

Limit: reading about a process that hangs in the kernel, on a dead network disk for example, may hang as well.
So nothing that an attempt depends on waits for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sauron_jobs_loader.process import tree
from sauron_jobs_loader.process.tree_limits import KIB_PER_MIB, pss_kb

OWN_NAME = "sauron-job"
"""How a job's process is named, and those that it forks, until they become another program."""

_USER, _OF_WAITED_CHILDREN = 11, 15  # fields of /proc/<pid>/stat after the name: utime, stime, cutime, cstime
_TICKS = os.sysconf("SC_CLK_TCK")


class TreeUsage(NamedTuple):
    """One look at a tree.

    `memory_mb` is the proportional share (PSS) of all its processes in MiB. `cpu_seconds` is the processor
    time of those that are alive and of the children that they waited for. `programs` are the names of the
    processes that are not the job's own Python, each once.
    """

    memory_mb: float
    cpu_seconds: float
    programs: tuple[str, ...]


def look_at(root: int) -> TreeUsage | None:
    """Look at all that is below a process; None if nothing is alive there.

    One pass over /proc: what begins or ends meanwhile may be missed.
    """
    alive = [one.pid for one in tree.descendants(root) if one.alive]
    found = [known for pid in alive if (known := _time_and_name(pid))]
    if not found:
        return None
    return TreeUsage(
        memory_mb=round(sum(map(pss_kb, alive)) / KIB_PER_MIB, 1),
        cpu_seconds=sum(seconds for seconds, _ in found),
        programs=tuple(dict.fromkeys(name for _, name in found if name != OWN_NAME)),
    )


def _time_and_name(pid: int) -> tuple[float, str] | None:
    try:
        named, _, rest = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")
    except OSError:
        return None
    ticks = sum(map(int, rest.split()[_USER:_OF_WAITED_CHILDREN]))
    return ticks / _TICKS, named.partition(b"(")[2].decode(errors="replace")
