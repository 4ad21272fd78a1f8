from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from chalicelib.execution.running_attempt import RunningAttempt
from chalicelib.execution.worker import Worker
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run, RunState
from chalicelib.operations.operations import Operations
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, bundle, history, log_chunks
from chalicelib.store.database import Tx
from chalicelib.store.schema import jobs
from sauron_jobs_loader.launch.facts import AttemptFacts
from sauron_jobs_loader.launch.tree_usage import TreeUsage
from tests.attempts import attempt_facts
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store


class Launching:
    """No processes: its job prints a line, has the log flushed, prints another and returns."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.seen: list[RunningAttempt] = []
        self.uses: list[TreeUsage] = []

    def start(self, _run: Run, _spec: JobSpec) -> Launching:
        return self

    def stop(self, reason: str) -> None:
        raise AssertionError(reason)

    def usage(self) -> TreeUsage | None:
        return self.uses.pop(0) if self.uses else None

    def watch(self, *, on_output: Callable[[bytes], None], **_more: Any) -> AttemptFacts:
        assert self.worker
        self.seen = self.worker.running_attempts.under_way()
        on_output(b"first\n")
        self.worker.running_attempts.flush()
        on_output(b"second\n")
        return attempt_facts(result={"ok": True, "value": None})


def activate(store: Store) -> None:
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)


def test_every_line_is_stored_once_however_the_renewer_and_the_end_meet(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    asked = Operations(store, clock).trigger("j")
    launching = Launching()
    launching.worker = worker = Worker(store, clock, launching, owner="me")
    [run], _ = worker.claim(5)
    assert worker.execute(run) is None
    [ended] = launching.seen
    assert not ended.log.dirty  # a renewer that waited for this log finds nothing to write again
    with store.write() as tx:
        ended.log.flush(tx, now=clock.now())
        assert "".join(chunk.text for chunk in log_chunks.read(tx, asked.id)) == "first\nsecond\n"
        after = history.run(tx, asked.id)
    assert after
    assert after.state is RunState.SUCCEEDED
    assert len(worker.running_attempts) == 0


def test_the_next_due_run_is_claimed_with_the_end_of_this_one_if_wanted(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    first, second = (Operations(store, clock).trigger("j").id for _ in range(2))
    launching = Launching()
    claimed: list[int] = []
    launching.worker = worker = Worker(
        store, clock, launching, owner="me", on_claim=lambda: claimed.append(1)
    )
    [run], _ = worker.claim(5)
    following = worker.execute(run, claim_next=lambda: True)
    assert following
    assert {run.id, following.id} == {first, second}
    assert worker.execute(following, claim_next=lambda: True) is None
    assert len(claimed) == 2
    assert worker.claim(5) == ([], False)
    assert len(claimed) == 3  # an empty answer is one


class Interleaved(Store):
    """A real store in which something happens right after the next write is committed."""

    after_write: Callable[[], object] | None = None

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        with super().write() as tx:
            yield tx
        after, self.after_write = self.after_write, None
        if after:
            after()


def test_an_attempt_that_begins_while_leases_are_renewed_is_not_taken_for_one_that_lost_its_own(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *", overlap="allow")
    activate(store)
    for _ in range(2):
        Operations(store, clock).trigger("j")
    with contextlib.closing(Interleaved(store.url.render_as_string(hide_password=False))) as interleaved:
        worker = Worker(interleaved, clock, Launching(), owner="me")
        first, second = worker.claim(2)[0]
        begun = [worker.running_attempts.begin(first)]
        interleaved.after_write = lambda: begun.append(worker.running_attempts.begin(second))
        worker.running_attempts.heartbeat()
        assert [running.stopped for running in begun] == [None, None]


def test_an_attempt_whose_lease_was_lost_is_stopped_at_the_next_renewal(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    activate(store)
    Operations(store, clock).trigger("j")
    worker = Worker(store, clock, Launching(), owner="me")
    [run], _ = worker.claim(1)
    running = worker.running_attempts.begin(run)
    worker.release(run)
    worker.running_attempts.heartbeat()
    assert running.stopped == "its lease was taken over"


def test_what_a_claim_decides_is_logged_by_the_state_it_gave_the_run(
    store: Store, clock: ManualClock
) -> None:
    for job_id in ("off", "rejected"):
        define(store, clock, job_id)
    define(store, clock, "gone", "0 0 1 1 *")
    asked = Operations(store, clock).trigger("gone")
    tick(store, clock)
    Operations(store, clock).disable("off")
    with store.write() as tx:
        tx.execute(
            update(jobs).where(jobs.c.job_id == "rejected").values(rejected="bad cron", next_fire_at=None)
        )
        tx.execute(
            update(jobs).where(jobs.c.job_id == "gone").values(removed_at=clock.now(), next_fire_at=None)
        )
    clock.move(seconds=30)
    worker = Worker(store, clock, Launching(), owner="me")
    with structlog.testing.capture_logs() as logged:
        while worker.claim(1)[1]:
            pass
    assert sorted((one["event"], one["job_id"], one["reason"]) for one in logged) == [
        ("run.failed_before_start", "gone", "job 'gone' was removed from the bundle before this run started"),
        ("run.missed", "rejected", "definition rejected"),
        ("run.skipped", "off", "disabled"),
    ]
    assert [one["run_id"] for one in logged if one["job_id"] == "gone"] == [asked.id]
