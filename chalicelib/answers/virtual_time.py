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

What runs at the beginning goes on until its given end. A run that waits then and is no fresh occurrence (a
trigger, a retry, a late one) waits for those of its job, whatever they would do beside each other.

Every run ends well after its job's usual time. Times are whole microseconds since the beginning.

Limit: a job that follows several does not follow a run that was there at the beginning: which others of the
same occurrence ended before is not known here. An occurrence that replaces a run takes its place at once,
also before one that waits for that run.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    behind: list[tuple[int, int, int]] = field(default_factory=list)  # ranks of runs behind one of the job
    pool: str | None = None
    priority: int = 0
    parents: list[VirtualJob] = field(default_factory=list)
    children: list[VirtualJob] = field(default_factory=list)
    fires: frozenset[int] = frozenset()  # all its occurrences; of the parents of a job with several
    missed: bool = False  # what is barred is missed, not skipped
    # why an occurrence that fires and is due at these times does not run, or None
    barred: Callable[[int, int], str | None] = lambda _fire, _due: None


@dataclass(slots=True, eq=False)
class VirtualRun:
    """One occurrence; `starts` and `ends` are None if it was skipped, or found no worker to the end.

    `stored` is the id of one that was there at the beginning; it and what follows it are `earlier`.
    """

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
    parent: VirtualRun | None = None  # the run that it follows, the last of several
    let_in_by: VirtualRun | None = None  # the run whose end gave a worker, or a place in the pool
    stored: str | None = None
    earlier: bool = False
    manner: Overlap | None = None  # instead of its job's policy
    flows: bool = True  # whether the jobs that follow do so after this run
    uncertain: bool = False  # its end is not known, or that of a run it followed or waited for
    takes_worker: bool = True
    why_not: str | None = None  # what kept it from running, other than its own job

    @property
    def overlap(self) -> Overlap:
        """What it does beside another run of its job."""
        return self.manner or self.job.overlap

    @property
    def rank(self) -> tuple[int, int, int]:
        """The place in the order of claims; numbers are given by due time."""
        return -self.job.priority, self.due, self.number


class VirtualTime:
    """One simulation. Give it the occurrences, in any order, and call `run` once."""

    def __init__(
        self,
        occurrences: Iterable[VirtualRun],
        *,
        workers: int,
        pools: Mapping[str, int] | None = None,
        going_on: Sequence[VirtualRun] = (),
    ) -> None:
        """Simulate `occurrences` with so many workers; `pools` are the sizes of those that have one.

        `going_on` are the runs in progress, with their starts and ends.
        """
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
        self._last_end: VirtualRun | None = None
        self._last_end_in: dict[str, VirtualRun] = {}  # of each pool
        for run in going_on:
            run.number = len(self.runs)
            self.runs.append(run)
            if run.job.pool is not None:
                self._in_pool[run.job.pool] += 1
            run.job.newest = run.job.newest or run
            self._occupy(run)

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
            while self._free > 0 and self._ready:
                self._look(self.runs[heapq.heappop(self._ready)[-1]], now)

    def _fall_due(self, run: VirtualRun, now: int) -> None:
        job = run.job
        run.why_not = run.why_not or (None if run.manner else job.barred(run.fire, run.due))
        if run.why_not is not None:
            self._lead_on(run, now, "was missed" if job.missed else "was skipped")
            return
        if run.overlap is Overlap.SKIP and (job.queued or job.running):
            run.skipped_for = job.newest
            self._lead_on(run, now, "was skipped")
            return
        busy = job.queued or job.running
        if run.manner is None or job.overlap is not Overlap.REPLACE:  # only occurrences replace others
            job.newest = run
        job.queued += 1
        if run.manner is None and run.overlap is Overlap.QUEUE and busy:
            heapq.heappush(job.behind, run.rank)
        else:
            heapq.heappush(self._ready, run.rank)

    def _look(self, run: VirtualRun, now: int) -> None:
        """Decide about a run that a free worker has found."""
        job = run.job
        if run.overlap is Overlap.QUEUE and job.running:
            heapq.heappush(job.behind, run.rank)
            return
        if job.pool is not None:
            if self._in_pool[job.pool] >= self._sizes.get(job.pool, DEFAULT_SIZE):
                run.waited_for_pool = True
                self._passed_over[job.pool].append(run)
                return
            self._in_pool[job.pool] += 1
        job.queued -= 1
        if run.overlap is Overlap.REPLACE:
            if job.newest is not run:
                run.skipped_for = job.newest
                self._leave_pool(job.pool)
                self._lead_on(run, now, "was skipped")
                return
            for other in list(job.running.values()):
                other.replaced_by, other.ends = run, now
                self._end(other)
                self._lead_on(other, now, "was cancelled")
        run.starts, run.ends = now, now + job.takes
        if now > run.due:
            run.let_in_by = self._last_end_in.get(job.pool or "") if run.waited_for_pool else self._last_end
            before = run.waited_for or run.let_in_by
            run.uncertain |= before is not None and before.uncertain
        self._occupy(run)

    def _occupy(self, run: VirtualRun) -> None:
        """Let a run take a worker until it ends."""
        starts, ends = run.starts or 0, run.ends or 0
        self._free -= run.takes_worker
        self._running += 1
        if self._running > self.most:
            self.most, self.most_at = self._running, max(0, starts)
        run.job.running[run.number] = run
        heapq.heappush(self._ends, (ends, starts, run.number))

    def _end(self, run: VirtualRun) -> None:
        del run.job.running[run.number]
        self._free += run.takes_worker
        self._running -= 1
        if run.takes_worker:
            self._last_end = run
        if run.job.pool is not None:
            self._last_end_in[run.job.pool] = run
        self._leave_pool(run.job.pool)
        if run.job.behind:
            following = self.runs[heapq.heappop(run.job.behind)[-1]]
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
        for child in parent.job.children if parent.flows else ():
            key = child.job_id, parent.fire
            if key in self._followed or (parent.earlier and len(child.parents) > 1):
                continue
            absent = [one for one in child.parents if len(child.parents) > 1 and parent.fire not in one.fires]
            self._ended_well[key].add(parent.job.job_id)
            if why is None and not absent and len(self._ended_well[key]) < len(child.parents):
                continue
            self._followed.add(key)
            made = VirtualRun(child, parent.fire, now, number=len(self.runs), parent=parent)
            made.earlier, made.uncertain = parent.earlier, parent.uncertain
            if why is not None:
                made.why_not = f"{parent.job.job_id}, which it follows, {why}"
            elif absent:
                made.why_not = f"{absent[0].job_id}, which it follows, has no run then"
            self.runs.append(made)
            self._fall_due(made, now)
