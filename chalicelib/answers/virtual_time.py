"""Runs in virtual time: occurrences, workers and policies, as the queue and its claims treat them.

A free worker takes the run of the highest priority, then the one that is due longest, then the one that fired
first, then by id, as a claim does. One whose pool is full is passed over until a run of the pool ends.
At one instant runs end first, then occurrences fall due, then free workers take runs. What an occurrence does
beside another of its job:

- allow: it starts. queue: it waits for the one before it, and others pass it.
- skip: it is skipped if at its due time an earlier one is running, or due and waiting.
- replace: when a worker looks at it, it ends the one that runs and takes its place; if a newer one of its job
  is due by then, that one does and it is skipped.

A job that follows others falls due when all of them ended well for one occurrence. If one of them was
skipped, missed, replaced, or has no such occurrence, it is skipped.

Every run ends well after its job's usual time; nothing is running or waiting at the beginning. Times are
whole microseconds since the beginning.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.model.jobs import Overlap
from chalicelib.model.pools import DEFAULT_SIZE


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
    pool: str | None = None
    priority: int = 0
    parents: list[VirtualJob] = field(default_factory=list)
    children: list[VirtualJob] = field(default_factory=list)
    fires: frozenset[int] = frozenset()  # all its occurrences; of the parents of a job with several
    missed: bool = False  # what is barred is missed, not skipped
    barred: Callable[[int], str | None] = lambda _fire: None  # why an occurrence does not run, or None


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
    waited_for_pool: bool = False
    why_not: str | None = None  # what kept it from running, other than its own job

    @property
    def rank(self) -> tuple[int, int, int]:
        """The place in the order of claims; numbers are given by due time."""
        return -self.job.priority, self.due, self.number


class VirtualTime:
    """One simulation. Give it the occurrences, in any order, and call `run` once."""

    def __init__(
        self, occurrences: Iterable[VirtualRun], *, workers: int, pools: Mapping[str, int] | None = None
    ) -> None:
        """Simulate `occurrences` with so many workers; `pools` are the sizes of those that have one."""
        self._due = sorted(occurrences, key=lambda one: (one.due, one.fire, one.job.job_id))
        self.runs = list(self._due)  # and those of the jobs that follow
        for number, run in enumerate(self.runs):
            run.number = number
        self._sizes = pools or {}
        self._in_pool: Counter[str] = Counter()
        self._passed_over: defaultdict[str, list[VirtualRun]] = defaultdict(list)
        self._ended_well: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._followed: set[tuple[str, int]] = set()
        self.most = 0  # runs at once
        self.most_at = 0
        self._free = workers
        self._running = 0
        self._ready: list[tuple[int, int, int]] = []  # ranks: their order is that of claims
        self._ends: list[tuple[int, int, int]] = []  # end, start, number

    def run(self) -> None:
        """Decide about every occurrence."""
        coming = 0
        while coming < len(self._due) or self._ends:
            now = self._ends[0][0] if self._ends else self._due[coming].due
            if coming < len(self._due):
                now = min(now, self._due[coming].due)
            while self._ends and self._ends[0][0] == now:
                number = heapq.heappop(self._ends)[-1]
                run = self.runs[number]
                if run.ends == now and number in run.job.running:
                    self._end(run)
                    self._lead_on(run, now, None)
            while coming < len(self._due) and self._due[coming].due == now:
                self._fall_due(self._due[coming], now)
                coming += 1
            while self._free and self._ready:
                self._look(self.runs[heapq.heappop(self._ready)[-1]], now)

    def _fall_due(self, run: VirtualRun, now: int) -> None:
        job = run.job
        run.why_not = run.why_not or job.barred(run.fire)
        if run.why_not is not None:
            self._lead_on(run, now, "was missed" if job.missed else "was skipped")
            return
        if job.overlap is Overlap.SKIP and (job.queued or job.running):
            run.skipped_for = job.newest
            self._lead_on(run, now, "was skipped")
            return
        busy = job.queued or job.running
        job.newest = run
        job.queued += 1
        if job.overlap is Overlap.QUEUE and busy:
            job.behind.append(run)
        else:
            heapq.heappush(self._ready, run.rank)

    def _look(self, run: VirtualRun, now: int) -> None:
        """Decide about a run that a free worker has found."""
        job = run.job
        if job.pool is not None:
            if self._in_pool[job.pool] >= self._sizes.get(job.pool, DEFAULT_SIZE):
                run.waited_for_pool = True
                self._passed_over[job.pool].append(run)
                return
            self._in_pool[job.pool] += 1
        job.queued -= 1
        if job.overlap is Overlap.REPLACE:
            if job.newest is not run:
                run.skipped_for = job.newest
                self._leave_pool(job.pool)
                self._lead_on(run, now, "was skipped")
                return
            for other in list(job.running.values()):
                other.replaced_by, other.ends = run, now
                self._end(other)
                self._lead_on(other, now, "was cancelled")
        self._free -= 1
        self._running += 1
        if self._running > self.most:
            self.most, self.most_at = self._running, now
        run.starts, run.ends = now, now + job.takes
        job.running[run.number] = run
        heapq.heappush(self._ends, (run.ends, now, run.number))

    def _end(self, run: VirtualRun) -> None:
        del run.job.running[run.number]
        self._free += 1
        self._running -= 1
        self._leave_pool(run.job.pool)
        if run.job.behind:
            following = run.job.behind.popleft()
            following.waited_for = run
            heapq.heappush(self._ready, following.rank)

    def _leave_pool(self, pool: str | None) -> None:
        if pool is None:
            return
        self._in_pool[pool] -= 1
        for run in self._passed_over.pop(pool, ()):
            heapq.heappush(self._ready, run.rank)

    def _lead_on(self, parent: VirtualRun, now: int, why: str | None) -> None:
        """Decide about the jobs that follow a run that is over; `why` says how, unless it ended well."""
        for child in parent.job.children:
            key = child.job_id, parent.fire
            if key in self._followed:
                continue
            absent = [one for one in child.parents if len(child.parents) > 1 and parent.fire not in one.fires]
            self._ended_well[key].add(parent.job.job_id)
            if why is None and not absent and len(self._ended_well[key]) < len(child.parents):
                continue
            self._followed.add(key)
            made = VirtualRun(child, parent.fire, now, number=len(self.runs))
            if why is not None:
                made.why_not = f"{parent.job.job_id}, which it follows, {why}"
            elif absent:
                made.why_not = f"{absent[0].job_id}, which it follows, has no run then"
            self.runs.append(made)
            self._fall_due(made, now)
