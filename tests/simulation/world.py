"""The world of one story: virtual time, the runners, the people, and the judge of every commit."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import heapq
import itertools
import math
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from chalicelib.answers.audit import audit
from chalicelib.model.runs import RunIds, run_ids_of
from chalicelib.store import Store
from tests import compiled_statements  # noqa: F401 - engines share what they compile
from tests.simulation.boundary import Boundary, Fault
from tests.simulation.coroutine import Crash, Task, Threads
from tests.simulation.jobs import Violation, require
from tests.simulation.journal import SCHEMA, Journal
from tests.simulation.ledger import Actor, Ledger, Run
from tests.simulation.people import PEOPLE, People
from tests.simulation.runner import Runner
from tests.simulation.story import Story

CALM = timedelta(seconds=180)  # of more than this nothing is to happen before time is skipped
AHEAD = 88.0  # seconds before the next fire time at which ticks begin again
NOBODY = Actor("nobody")


@dataclass(slots=True)
class Loop:
    """Something that a runner does again and again."""

    at: float
    period: float
    act: Callable[[], None]
    runner: Runner


class World:
    """Plays one story. It is the product's clock, and its way to wake runners."""

    def __init__(self, story: Story, template: Path, folder: Path) -> None:
        self.story = story
        self.rng = random.Random(story.seed)  # noqa: S311 - repeatable
        self.elapsed = 0.0
        self._asked_at, self._asked = -1.0, 0
        self.offset = timedelta()
        self.start = datetime.fromisoformat(story.start).replace(tzinfo=UTC)
        self.head = 1
        self.broken: set[int] = set()
        self.trace: list[str] = []
        self.digest = hashlib.sha256()
        self.keep_trace = False
        file = folder / "store.sqlite3"
        shutil.copy(template, file)
        self.url = f"sqlite:///{file}"
        self.journal = Journal(file)
        self.ledger = Ledger(self.manifest)
        self.boundary = Boundary(self._committed)
        self.boundary.dead = lambda: self.acting_runner is not None and not self.acting_runner.alive
        self.threads = Threads()
        self.actor = NOBODY
        self.acting_runner: Runner | None = None
        self.task: Task | None = None
        self._stores: dict[int, Store] = {}
        self.runners: dict[int, Runner | None] = {}
        self._heap: list[tuple[float, int, Callable[[], None], Runner | None]] = []
        self._loops: list[Loop] = []
        self._numbers = itertools.count(1)
        self._down_for = 20.0
        self.people = People(self)
        self._events = list(story.events)

    # The clock.

    def now(self) -> datetime:
        """Return what the wall clock of who acts says: a little later each time, as with real clocks."""
        if self._asked_at != self.elapsed:
            self._asked_at, self._asked = self.elapsed, 0
        self._asked = min(self._asked + 1, 999)
        seconds = self.elapsed + self._ahead()
        return self.start + timedelta(seconds=seconds, microseconds=self._asked - 1) + self.offset

    def _ahead(self) -> float:
        clocks = self.story.ahead
        if self.acting_runner is not None:
            return clocks[self.acting_runner.slot] if clocks else 0.0
        return clocks[-1] if clocks and self.actor.owner == PEOPLE else 0.0

    def monotonic(self) -> float:
        """Return the seconds since the story began."""
        return self.elapsed

    # What happens when.

    def after(self, seconds: float, act: Callable[[], None], runner: Runner | None = None) -> None:
        """Do something later; not if its runner has died by then."""
        at = math.ceil((self.elapsed + seconds) * 1000 - 0.001) / 1000
        heapq.heappush(self._heap, (at, next(self._numbers), act, runner))

    def every(self, period: float, first: float, act: Callable[[], None], runner: Runner) -> None:
        """Do something again and again as long as a runner lives."""
        self._loops.append(Loop(round(self.elapsed + first, 3), period, act, runner))

    def notify(self) -> None:
        """Wake everybody: the product's way to say that runs are due."""
        self.wake_all()

    def wake_all(self) -> None:
        """Let every runner look."""
        for runner in self.runners.values():
            if runner is not None and runner.alive:
                self.after(0.01, runner.wake, runner)

    @contextlib.contextmanager
    def acting(self, actor: Actor, runner: Runner | None = None, task: Task | None = None) -> Iterator[None]:
        """Act as somebody; a crash ends that process."""
        before = self.actor, self.acting_runner, self.task
        self.actor, self.acting_runner, self.task = actor, runner, task
        try:
            yield
        except Crash:
            self.note(f"{actor.kind} of {actor.owner} crashed")
            if runner is not None:
                runner.die()
        finally:
            self.actor, self.acting_runner, self.task = before

    def _committed(self) -> None:
        news = self.journal.news()
        if not news:
            return
        for one in news:
            self.note(f"{self.actor.kind} {self.actor.owner} {tuple(one)}")
        if self.actor.kind == "heartbeat":
            return
        if self.ledger.commit(self.actor, news, now=self.now(), elapsed=self.elapsed):
            self._compare_jobs()

    def _compare_jobs(self) -> None:
        there = self.journal.jobs()
        known = {
            job.id: (job.on and not job.removed, job.rejected, job.removed)
            for job in self.ledger.jobs.values()
        }
        for job_id, (on, rejected, removed) in known.items():
            found = there.get(job_id)
            require(found is not None, f"{job_id} is not in the registry")
            assert found is not None
            require(
                (found[0] and not removed, *found[1:]) == (on, rejected, removed),
                f"{job_id} is {found} (on, rejected, removed), by the acts {on, rejected, removed}",
            )

    def note(self, said: str) -> None:
        """Add a line to the trace."""
        line = f"{self.now():%F %T.%f} {said}"
        self.digest.update(line.encode())
        if self.keep_trace:
            self.trace.append(line)

    # Runners.

    def store(self, slot: int) -> Store:
        """Return the store as one process has it open."""
        if slot not in self._stores:
            self._stores[slot] = self.boundary.open(self.url)
        return self._stores[slot]

    def manifest(self, number: int) -> Mapping[str, Mapping[str, Any]]:
        """Return the jobs of a revision."""
        return self.story.revisions[number - 1]

    def bring_up(self, slot: int) -> None:
        """Start a runner where there is none."""
        if self.runners.get(slot) is None:
            runner = self.runners[slot] = Runner(self, slot, next(self._numbers))
            runner.start()

    def died(self, runner: Runner) -> None:
        """Start the runner again after a while, as a container does."""
        self.runners[runner.slot] = None
        self._loops = [loop for loop in self._loops if loop.runner is not runner]
        self.after(self._down_for, lambda: self.bring_up(runner.slot))
        self._down_for = 20.0

    def alive(self, slot: int) -> Runner | None:
        """Return the runner of a place, or the next one that lives."""
        living = self.living()
        return living[slot % len(living)] if living else None

    def living(self) -> list[Runner]:
        """Return the runners that live."""
        return [runner for _, runner in sorted(self.runners.items()) if runner is not None]

    # The story.

    def play(self) -> None:
        """Play the story to its end. Raises Violation."""
        with run_ids_of(RunIds(lambda: int(self.elapsed * 1000) + 1_700_000_000_000, self.rng.getrandbits)):
            try:
                for slot in range(self.story.runners):
                    self.bring_up(slot)
                self.people.sync(accept=True, takes=0)
                for at, kind, details in self._events:
                    self._until(at)
                    self.note(f"EVENT {kind} {details}")
                    self._happen(kind, dict(details))
                self._until(self.story.days * 86400)
                self._come_to_rest()
            finally:
                self._close()

    def _close(self) -> None:
        for runner in self.runners.values():
            if runner is not None:
                runner.alive = False
                for task in list(runner.tasks):
                    if not task.ended:
                        with contextlib.suppress(Exception):
                            task.kill()
        self.threads.end()
        for store in self._stores.values():
            store.close()
        self.journal.close()

    def _until(self, end: float) -> None:
        """Let time pass to an instant."""
        while True:
            self._skip(end)
            loop = min(self._loops, key=lambda one: one.at, default=None)
            at = self._heap[0][0] if self._heap else float("inf")
            if loop is not None and loop.at < at:
                if loop.at > end:
                    break
                self.elapsed = max(self.elapsed, loop.at)
                loop.at += loop.period
                if loop.runner.stalled_until > self.elapsed:
                    loop.at = max(loop.at, loop.runner.stalled_until)
                    continue
                loop.act()
            elif at <= end:
                _, _, act, runner = heapq.heappop(self._heap)
                self.elapsed = max(self.elapsed, at)
                if runner is not None and runner.stalled_until > self.elapsed:
                    self.after(runner.stalled_until - self.elapsed, act, runner)
                elif runner is None or runner.alive:
                    with self.acting(self.actor):
                        act()
            else:
                break
        self.elapsed = max(self.elapsed, end)

    def _skip(self, end: float) -> None:
        """Skip a time in which nothing would happen but idle ticks, of which the last one is noted."""
        if (
            self.ledger.running
            or not self._loops
            or self.boundary.refusing
            or self.boundary.fault is not None
        ):
            return
        if self._heap and self._heap[0][0] < self.elapsed + CALM.total_seconds():
            return
        now = self.now()
        coming = [
            job.next_fire - timedelta(seconds=AHEAD) for job in self.ledger.jobs.values() if job.next_fire
        ]
        coming += [self.ledger.runs[one].due_at for one in self.ledger.queued]
        coming += [job.override[1] for job in self.ledger.jobs.values() if job.override and job.override[1]]
        target = min([end, *([self._heap[0][0]] if self._heap else [])])
        if coming:
            target = min(target, self.elapsed + (min(coming) - now).total_seconds())
        if target - self.elapsed < CALM.total_seconds() or any(
            r is None or r.stalled_until > self.elapsed for r in self.runners.values()
        ):
            return
        if (
            self.ledger.last_tick is None
            or now - self.ledger.last_tick > timedelta(seconds=65)
            or self.ledger.last_tick > now
        ):
            return
        self.elapsed = target
        for loop in self._loops:
            missed = (target - loop.at) // loop.period
            loop.at += max(0.0, missed + 1) * loop.period
        self.journal.note_tick(self.now())
        self.ledger.commit(NOBODY, self.journal.news(), now=self.now(), elapsed=self.elapsed)

    def _happen(self, kind: str, details: dict[str, Any]) -> None:
        happen = getattr(self, f"_{kind}", None)
        if happen is None:
            self.people.act(kind, details)
        else:
            happen(**details)

    def _outage(self, *, lasts: float) -> None:
        for runner in list(self.runners.values()):
            if runner is not None:
                self._down_for = lasts
                runner.die()

    def _crash(self, *, runner: int, lasts: float) -> None:
        self._down_for = lasts
        if there := self.alive(runner):
            there.die()

    def _stop(self, *, runner: int, lasts: float) -> None:
        self._down_for = lasts
        if there := self.alive(runner):
            there.stop()

    def _stall(self, *, runner: int, lasts: float) -> None:
        if there := self.alive(runner):
            there.stalled_until = self.elapsed + lasts

    def _fault(self, *, how: str, nth: int, lasts: float) -> None:
        self._down_for = lasts
        self.boundary.fault = Fault(how, nth)

    def _refuse(self, *, lasts: float) -> None:
        self.boundary.refusing = True
        self.after(lasts, self._healed)

    def _jump(self, *, by: float) -> None:
        self.offset += timedelta(seconds=by)

    def _tick(self, *, runner: int) -> None:
        if there := self.alive(runner):
            there.tick()

    def _healed(self) -> None:
        self.boundary.refusing = False

    # The end.

    def _come_to_rest(self) -> None:
        """Mend everything, switch every job off, and see that all that was asked for comes to an end."""
        self.boundary.fault = None
        self._healed()
        for slot in range(self.story.runners):  # an outage may be longer than what is left
            self.bring_up(slot)
        self.people.act("unpause", {})
        self._until(self.elapsed + 300)
        for job in sorted(self.ledger.jobs.values(), key=lambda one: one.id):
            if job.on and not job.removed:
                self.people.act("disable", {"job": job.id, "lasts": None})
        for _ in range(200):
            if not (self.ledger.queued or self.ledger.running):
                break
            self._until(self.elapsed + 900)
        left = [self.ledger.runs[one] for one in (*self.ledger.queued, *self.ledger.running)]
        require(not left, f"left over at the end: {[(r.job.id, r.state, str(r.due_at)) for r in left[:5]]}")
        self._until(self.elapsed + 130)
        for run_id in sorted(self.ledger.asked):
            self._kept(self.ledger.runs.get(run_id), run_id)
        with self.store(0).read() as tx:
            report = audit(tx, now=self.now())
        require(not report.holes, f"audit: {report.holes[:3]}")

    @staticmethod
    def _kept(run: Run | None, run_id: str) -> None:
        require(run is not None, f"the acknowledged run {run_id} is gone")
        assert run is not None
        dropped = run.job.removed or run.job.rejected or run.state == "cancelled" or run.attempt > 0
        require(
            run.launched or dropped,
            f"the acknowledged run {run_id} of {run.job.id} is {run.state} and never ran",
        )


_template: list[Path] = []


def template() -> Path:
    """Return a migrated store with the journal's triggers, made once."""
    if not _template:
        folder = Path(tempfile.mkdtemp(prefix="simulation-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        made = Store(f"sqlite:///{folder / 'made.sqlite3'}")
        made.migrate()
        with made.write() as tx:
            raw: Any = tx.connection.dbapi_connection
            for statement in SCHEMA.replace("END;", "END\0").replace(");\n", ")\0").split("\0"):
                if statement.strip():
                    raw.execute(statement)
        made.backup(folder / "template.sqlite3")
        made.close()
        _template.append(folder / "template.sqlite3")
    return _template[0]


def play(story: Story, *, trace: bool = False) -> World:
    """Play a story and return its world. Raises Violation with the seed and the time."""
    given = None if not story.on_disk else "/var/tmp"  # noqa: S108 - a disk, where /tmp may be memory
    with tempfile.TemporaryDirectory(prefix="story-", dir=given) as folder:
        world = World(story, template(), Path(folder))
        world.keep_trace = trace
        try:
            world.play()
        except Violation as problem:
            problem.add_note(f"seed {story.seed}, {world.now():%F %T}, {world.elapsed:.1f} s into the story")
            problem.world = world  # type: ignore[attr-defined]
            raise
    return world


__all__ = ["SQLAlchemyError", "World", "play", "template"]
