"""From an attempt's end to its record: on a store that refuses, and on one whose COMMIT gets no reply."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from chalicelib.execution.finishing import Finisher
from chalicelib.execution.retry import decide_retry
from chalicelib.execution.running_attempts import RunningAttempts
from chalicelib.model.runs import Outcome, Run, RunId, RunState, Verdict
from chalicelib.operations.operations import Operations
from chalicelib.store import Store, bundle, history, log_chunks, outbox
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims
from chalicelib.store.queue.finish import Ended
from chalicelib.store.queue.unconfirmed_claims import UnconfirmedClaims
from tests.conftest import ManualClock, define

T = TypeVar("T")
DOWN = OperationalError("an end", None, Exception("the disk is full"))
DONE, FAILED = Verdict(Outcome.SUCCEEDED), Verdict(Outcome.FAILED, "no disk", "OSError")


class Faulty(Store):
    """A real store that can refuse transactions, or do them and give no reply."""

    refuse = refuse_blocks = swallow = 0

    @contextlib.contextmanager
    def write(self) -> Iterator[Tx]:
        with super().write() as tx:
            yield tx
            if self.refuse_blocks:
                self.refuse_blocks -= 1
                raise DOWN

    def writing(self, act: Callable[[Tx], T]) -> T:
        if self.refuse:
            self.refuse -= 1
            raise DOWN
        done = super().writing(act)
        if self.swallow:
            self.swallow -= 1
            raise DOWN
        return done


class Scene:
    """One claimed run, whose attempt has printed a line, and another run that is due."""

    def __init__(self, store: Faulty, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.waited: list[float] = []
        self.unconfirmed = UnconfirmedClaims("me", clock)
        self.finisher = Finisher(
            store, clock, owner="me", publish=True, unconfirmed=self.unconfirmed, wait=self.wait
        )
        define(store, clock, "j", "0 0 1 1 *", overlap="allow")
        with store.write() as tx:
            bundle.change(tx, active_sha="a" * 40)
        operations = Operations(store, clock)
        operations.trigger("j")
        operations.trigger("j")
        run = self.claim()
        assert run
        self.attempts = RunningAttempts(store, clock, owner="me")
        self.running = self.attempts.begin(run)
        self.running.log.write(b"printed\n")

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.move(seconds=seconds)

    def claim(self) -> Run | None:
        with self.store.write() as tx:
            return claims.claim(tx, owner="me", now=self.clock.now()).run

    def finish(self, verdict: Verdict, claim_next: Callable[[], bool]) -> Ended:
        return self.finisher.finish(self.running, None, verdict, claim_next=claim_next)

    def stored(self) -> tuple[Run, str, int]:
        """The run, its log, and how many of its ends wait for Life Hub."""
        run_id = RunId(self.running.run.id)
        with self.store.read() as tx:
            run = history.run(tx, run_id)
            text = "".join(chunk.text for chunk in log_chunks.read(tx, run_id))
            ends = [one for one in outbox.waiting(tx, 10) if one.kind is outbox.RowKind.ATTEMPT]
        assert run
        return run, text, len(ends)


@pytest.fixture
def scene(tmp_path: Path, clock: ManualClock, empty_store: Path) -> Iterator[Scene]:
    shutil.copy(empty_store, tmp_path / "queue.db")
    store = Faulty(f"sqlite:///{tmp_path}/queue.db")
    yield Scene(store, clock)
    store.close()


def nothing() -> bool:
    return False


def test_an_end_is_recorded_with_its_log_and_its_row_for_life_hub_and_the_next_run_is_claimed(
    scene: Scene,
) -> None:
    finished = scene.finish(DONE, lambda: True)
    assert (finished.recorded, finished.retry_at, scene.waited) == (True, None, [])
    assert finished.claim.run
    assert finished.claim.run.id != scene.running.run.id
    run, text, ends = scene.stored()
    assert (run.state, text, ends) == (RunState.SUCCEEDED, "printed\n", 1)


def test_what_a_store_refused_of_a_running_attempt_is_stored_when_it_takes_it(scene: Scene) -> None:
    scene.running.progress = (0.5, "half of it")
    scene.store.refuse_blocks = 1
    with pytest.raises(OperationalError):
        scene.attempts.flush()
    assert scene.stored()[0].progress is None
    scene.attempts.flush()
    run, text, _ = scene.stored()
    assert (run.progress, run.progress_note, text) == (0.5, "half of it", "printed\n")


def test_while_the_store_refuses_the_end_is_kept_and_tried_again_ever_more_seldom(scene: Scene) -> None:
    scene.store.refuse = 6
    began = scene.clock.now()
    with structlog.testing.capture_logs() as logged:
        finished = scene.finish(FAILED, nothing)
    assert scene.waited == [1, 2, 4, 8, 10, 10]
    assert scene.clock.now() > began
    assert finished.retry_at == decide_retry(scene.running.run, FAILED, None, now=scene.clock.now())
    run, text, ends = scene.stored()
    assert (run.state, run.due_at, text, ends) == (RunState.QUEUED, finished.retry_at, "printed\n", 1)
    assert [one["event"] for one in logged] == ["run.finish_not_stored"]


def test_only_the_first_try_claims_the_next_run_and_a_claim_without_a_reply_is_released(scene: Scene) -> None:
    scene.store.swallow = 1
    asked: list[bool] = []

    def claim_next() -> bool:
        asked.append(True)
        return True

    finished = scene.finish(DONE, claim_next)
    assert (len(asked), finished.claim.run) == (1, None)
    assert scene.claim() is None  # it was claimed in the transaction that got no reply
    with scene.store.write() as tx:
        scene.unconfirmed.release(tx)
    released = scene.claim()
    assert released
    assert released.attempt == 1


def test_an_end_whose_commit_got_no_reply_is_found_and_not_written_again(scene: Scene) -> None:
    scene.store.swallow = 1
    tried_at = scene.clock.now()
    finished = scene.finish(FAILED, nothing)
    assert finished.recorded
    run, text, ends = scene.stored()
    assert (run.state, text, ends) == (RunState.QUEUED, "printed\n", 1)
    assert run.due_at == finished.retry_at == decide_retry(run, FAILED, None, now=tried_at)


def test_whoever_lost_the_lease_records_nothing_but_may_claim(scene: Scene) -> None:
    with scene.store.write() as tx:
        tx.exec_driver_sql(
            "UPDATE job_queue SET lease_generation = lease_generation + 1 WHERE state = 'running'"
        )
    finished = scene.finish(FAILED, lambda: True)
    assert (finished.recorded, finished.retry_at) == (False, None)
    assert finished.claim.run
    assert scene.stored()[0].state is RunState.RUNNING
    assert scene.stored()[2] == 0
