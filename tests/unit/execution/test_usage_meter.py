"""What attempts use is measured and stored beside everything else: nothing depends on it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import structlog

from chalicelib.execution.running_attempt import PROCESSORS
from chalicelib.execution.worker import Worker
from chalicelib.operations.operations import Operations
from chalicelib.store import Store, history
from sauron_jobs_loader.launch.facts import AttemptFacts
from sauron_jobs_loader.launch.tree_usage import TreeUsage
from tests.conftest import ManualClock, define
from tests.unit.execution.test_worker import Launching, activate

pytestmark = pytest.mark.every_store


def test_what_an_attempt_uses_is_measured_between_looks_and_stored(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    Operations(store, clock).trigger("j")
    launching = Launching()
    launching.uses = [
        TreeUsage(40.0, 5.0, 700.0, ("pg_dump",)),
        TreeUsage(60.0, 20.0, 700.0, ()),
        TreeUsage(9.0, 2.0, 723.0, ()),  # a process of 18 s is gone, and was reaped
        TreeUsage(9.0, 1.0, 723.0, ()),  # another one is missed
        TreeUsage(9.0, 1e9, 723.0, ()),
    ]
    worker = Worker(store, clock, launching, owner="me")
    attempts, meter = worker.running_attempts, worker.usage_meter
    [run], _ = worker.claim(1)
    running = attempts.begin(run)
    meter.measure()  # it has no process yet
    attempts.started(running, launching)
    meter.measure()  # no time has passed
    launching.uses.insert(0, TreeUsage(40.0, 5.0, 700.0, ("pg_dump",)))
    found = []
    for _ in range(6):
        clock.move(seconds=10)
        meter.measure()
        meter.store()
        with store.read() as tx:
            [attempt] = history.attempts_of(tx, run.id)
        assert attempt.usage
        found.append((*attempt.usage.newest, attempt.usage.programs))
    assert found == [
        (10, 40, 0.5, ("pg_dump",)),
        (20, 60, 1.5, ()),
        (30, 9, 0.5, ()),
        (40, 9, 0, ()),
        (50, 9, PROCESSORS, ()),
        (50, 9, PROCESSORS, ()),  # it has none any more
    ]


def test_what_an_attempt_used_is_stored_with_its_end(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    Operations(store, clock).trigger("j")

    class Measured(Launching):
        def watch(self, **more: Any) -> AttemptFacts:
            assert self.worker
            clock.move(seconds=7)
            self.worker.usage_meter.measure()
            return super().watch(**more)

    launching = Measured()
    launching.uses = [TreeUsage(40.0, 3.5, 0.0, ())]
    launching.worker = worker = Worker(store, clock, launching, owner="me")
    [run], _ = worker.claim(1)
    assert worker.execute(run) is None
    with store.read() as tx:
        [attempt] = history.attempts_of(tx, run.id)
    assert attempt.outcome
    assert attempt.usage
    assert attempt.usage.newest == (7, 40, 0.5)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_no_lease_depends_on_what_attempts_use(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    Operations(store, clock).trigger("j")
    with store.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER refused BEFORE UPDATE OF usage ON attempts BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    launching = Launching()
    launching.uses = [TreeUsage(40.0, 3.5, 0.0, ())]
    worker = Worker(store, clock, launching, owner="me")
    [run], _ = worker.claim(1)
    attempts = worker.running_attempts
    attempts.started(attempts.begin(run), launching)
    clock.move(seconds=5)
    worker.usage_meter.measure()
    attempts.heartbeat()
    with structlog.testing.capture_logs() as told:
        worker.usage_meter.store()
    assert [one["event"] for one in told] == ["usage.write_failed"]
    with store.read() as tx:
        found = history.run(tx, run.id)
    assert found
    assert found.lease_beat == run.lease_beat + 1


def test_a_look_at_processes_that_hangs_keeps_no_lease_from_its_renewal(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    Operations(store, clock).trigger("j")
    looking, go_on = threading.Event(), threading.Event()

    class Hanging(Launching):
        def usage(self) -> None:
            looking.set()
            go_on.wait()

    launching = Hanging()
    worker = Worker(store, clock, launching, owner="me")
    attempts = worker.running_attempts
    [run], _ = worker.claim(1)
    running = attempts.begin(run)
    attempts.started(running, launching)
    stopping = Looks(clock, 2)
    meter = threading.Thread(target=worker.usage_meter.run, args=(stopping,), daemon=True)
    meter.start()
    try:
        assert looking.wait(60)
        attempts.heartbeat()
        assert running.stopped is None
        attempts.end(running)
        assert meter.is_alive()
    finally:
        stopping.set()
        attempts.wake()
        go_on.set()
        meter.join(60)
    assert not meter.is_alive()


class Looks(threading.Event):
    """Stops a loop after so many waits, none of which takes time."""

    def __init__(self, clock: ManualClock, many: int) -> None:
        super().__init__()
        self.clock = clock
        self.left = many

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.move(seconds=timeout or 0)
        self.left -= 1
        if not self.left:
            self.set()
        return self.is_set()


def test_running_attempts_are_measured_again_and_again(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    Operations(store, clock).trigger("j")
    launching = Launching()
    launching.uses = [TreeUsage(number, number, 0, ()) for number in range(1, 9)]
    worker = Worker(store, clock, launching, owner="me")
    [run], _ = worker.claim(1)
    running = worker.running_attempts.begin(run)
    worker.running_attempts.started(running, launching)
    worker.usage_meter.run(Looks(clock, 3))
    assert running.usage
    assert [point.seconds for point in running.usage.points] == [5, 10]
    with store.read() as tx:
        [attempt] = history.attempts_of(tx, run.id)
    assert attempt.usage == running.usage  # every second look is stored
