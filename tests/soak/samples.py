"""What a soak looks at: memory, descriptors, files, lateness; and whether one of them grew without bound.

A measure grew if its middle value in the last quarter is above that of the first quarter by more than noise.
The first samples, in which caches fill, count for neither.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.bench.measuring import percentile

WARM_UP = 0.1  # of the samples
FEWEST = 8  # samples that make four quarters
RISING = 1.1  # times the first quarter
LATENESS = "lateness p99"
_NEW = (
    "SELECT id, due_at, started_at FROM job_queue"
    " WHERE job_id = 'noop' AND id > ? AND finished_at IS NOT NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Measure:
    """What is sampled; noise is up to `share` times the first quarter, and `more` units on top of that."""

    name: str
    unit: str
    share: float
    more: float


MEASURES = (
    Measure("memory of all processes (PSS)", "MB", 1.25, 8),
    Measure("memory of the runner (PSS)", "MB", 1.2, 6),
    Measure("descriptors of the runner", "", 1.1, 8),
    Measure("descriptors of all processes", "", 1.25, 30),
    Measure("processes", "", 1.25, 6),
    Measure("write-ahead log of the store", "MB", 1.5, 20),
    Measure("temporary files", "", 1.5, 20),
    Measure("files in the state folder", "", 1.5, 40),
    Measure(LATENESS, "ms", 2, 150),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment. `late` are the milliseconds of the runs that ended since the last one."""

    seconds: float
    values: dict[str, float]
    late: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One measure in each quarter, the first one first."""

    measure: Measure
    quarters: tuple[float, ...]

    @property
    def grew(self) -> bool:
        """Whether the last quarter is above the first by more than noise."""
        return self.quarters[-1] > self.quarters[0] * self.measure.share + self.measure.more

    @property
    def verdict(self) -> str:
        """`rising` is steady growth within the noise: a longer soak tells whether it ends."""
        steady = all(before < after for before, after in pairwise(self.quarters))
        rising = steady and self.quarters[-1] > self.quarters[0] * RISING
        return "GREW" if self.grew else "rising" if rising else "flat"


def compare(samples: Sequence[Sample]) -> list[Row]:
    """Return each measure's middle value, or the p99 of lateness, in each quarter of the time."""
    steady = samples[int(len(samples) * WARM_UP) :]
    if len(steady) < FEWEST:
        raise ValueError(
            f"{len(steady)} samples are too few to compare quarters: at least {FEWEST} are needed"
        )
    edges = [len(steady) * number // 4 for number in range(5)]
    quarters = [steady[begin:end] for begin, end in pairwise(edges)]
    return [Row(one, tuple(_middle(some, one) for some in quarters)) for one in MEASURES]


def _middle(some: Sequence[Sample], measure: Measure) -> float:
    if measure.name != LATENESS:
        return statistics.median(one.values[measure.name] for one in some)
    return percentile([ms for one in some for ms in one.late] or [0.0], 0.99)


class Watch:
    """Samples a running Sauron from outside."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid, self.folder = pid, folder
        self.store = folder / ".sauron" / "sauron.sqlite3"
        self.seen = ""

    def sample(self, seconds: float, pids: Sequence[int]) -> Sample:
        """Look at these processes, the runner among them, at the files and at the runs that are new."""
        memory = {pid: pss for pid in pids if (pss := _pss(pid))}
        opened = {pid: count for pid in pids if (count := _descriptors(pid))}
        log = self.store.with_name(f"{self.store.name}-wal")
        values = (
            *(sum(memory.values()) / 1024, memory.get(self.pid, 0) / 1024),
            *(opened.get(self.pid, 0), sum(opened.values()), len(memory)),
            log.stat().st_size / 1e6 if log.exists() else 0.0,
            *(_files(self.folder / "tmp"), _files(self.folder / ".sauron")),
        )
        names = [one.name for one in MEASURES if one.name != LATENESS]
        return Sample(seconds, dict(zip(names, map(float, values), strict=True)), tuple(self._late()))

    def _late(self) -> Iterator[float]:
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            for key, due, began in db.execute(_NEW, (self.seen,)):
                self.seen = key
                yield (_instant(began) - _instant(due)).total_seconds() * 1000


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _pss(pid: int) -> int:
    """Return a process's share of memory in KB, 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0


def _files(folder: Path) -> int:
    """Count files and folders below a folder; git's own are not counted, since history grows with commits."""
    count = 0
    for where, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one not in {"objects", "refs", "logs", ".git"}]
        count += len(names) + (0 if where == str(folder) else 1)
    return count
