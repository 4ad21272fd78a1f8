"""Runs in virtual time: occurrences, workers and overlap policies, as the queue and its claims treat them.

A free worker takes the run that is due longest, then the one that fired first, then by id, as a claim does.
At one instant runs end first, then occurrences fall due, then free workers take runs. What an occurrence does
beside another of its job:

- allow: it starts. queue: it waits for the one before it, and others pass it.
- skip: it is skipped if at its due time an earlier one is running, or due and waiting.
- replace: when a worker looks at it, it ends the one that runs and takes its place; if a newer one of its job
  is due by then, that one does and it is skipped.

Every run ends well after its job's usual time; nothing is running or waiting at the beginning. Times are
whole microseconds since the beginning.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from chalicelib.model.jobs import Overlap


@dataclass(slots=True, eq=False)
class VirtualJob:
    """A job's policy, the microseconds that its runs take, and what of it is waiting and running."""

    job_id: str
    overlap: Overlap
    takes: int
    queued: int = 0  # due, not begun and not skipped
    newest: VirtualRun | None = None  # the occurrence that fell due last
    running: dict[int, VirtualRun] = field(default_factory=dict)  # by the number of the run
    behind: deque[VirtualRun] = field(default_factory=deque)  # with overlap queue: behind another of the job


@dataclass(slots=True, eq=False)
class VirtualRun:
    """One occurrence; `starts` and `ends` are None if it was skipped."""

    job: VirtualJob
    fire: int
    due: int
    number: int = 0
    starts: int | None = None
    ends: int | None = None
    skipped_for: VirtualRun | None = None
    replaced_by: VirtualRun | None = None
    waited_for: VirtualRun | None = None  # of its own job; None: it waited for a worker, if at all


class VirtualTime:
    """One simulation. Give it the occurrences, in any order, and call `run` once."""

    def __init__(self, occurrences: Iterable[VirtualRun], *, workers: int) -> None:
        self.runs = sorted(occurrences, key=lambda one: (one.due, one.fire, one.job.job_id))
        for number, run in enumerate(self.runs):
            run.number = number
        self.most = 0  # runs at once
        self.most_at = 0
        self._free = workers
        self._running = 0
        self._ready: list[int] = []  # numbers: their order is that of claims
        self._ends: list[tuple[int, int]] = []

    def run(self) -> None:
        """Decide about every occurrence."""
        coming = 0
        while coming < len(self.runs) or self._ends:
            now = self._ends[0][0] if self._ends else self.runs[coming].due
            if coming < len(self.runs):
                now = min(now, self.runs[coming].due)
            while self._ends and self._ends[0][0] == now:
                _, number = heapq.heappop(self._ends)
                if self.runs[number].ends == now and number in self.runs[number].job.running:
                    self._end(self.runs[number])
            while coming < len(self.runs) and self.runs[coming].due == now:
                self._fall_due(self.runs[coming])
                coming += 1
            while self._free and self._ready:
                self._look(self.runs[heapq.heappop(self._ready)], now)

    def _fall_due(self, run: VirtualRun) -> None:
        job = run.job
        if job.overlap is Overlap.SKIP and (job.queued or job.running):
            run.skipped_for = job.newest
            return
        busy = job.queued or job.running
        job.newest = run
        job.queued += 1
        if job.overlap is Overlap.QUEUE and busy:
            job.behind.append(run)
        else:
            heapq.heappush(self._ready, run.number)

    def _look(self, run: VirtualRun, now: int) -> None:
        """Decide about a run that a free worker has found."""
        job = run.job
        job.queued -= 1
        if job.overlap is Overlap.REPLACE:
            if job.newest is not run:
                run.skipped_for = job.newest
                return
            for other in list(job.running.values()):
                other.replaced_by, other.ends = run, now
                self._end(other)
        self._free -= 1
        self._running += 1
        if self._running > self.most:
            self.most, self.most_at = self._running, now
        run.starts, run.ends = now, now + job.takes
        job.running[run.number] = run
        heapq.heappush(self._ends, (run.ends, run.number))

    def _end(self, run: VirtualRun) -> None:
        del run.job.running[run.number]
        self._free += 1
        self._running -= 1
        if run.job.behind:
            following = run.job.behind.popleft()
            following.waited_for = run
            heapq.heappush(self._ready, following.number)
