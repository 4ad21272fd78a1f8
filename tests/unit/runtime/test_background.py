from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.runtime.background import LONGEST_REST_SECONDS, REST, BackgroundLoops
from chalicelib.settings import Settings
from chalicelib.wiring import RUNNER, Sauron, build
from tests.conftest import ManualClock


class StepClock(ManualClock):
    """A clock that goes on by `step` seconds each time it is looked at."""

    step = 0.0

    def monotonic(self) -> float:
        self.elapsed += self.step
        return self.elapsed


class Stopping(threading.Event):
    """The order to stop, which comes with the first rest."""

    def __init__(self) -> None:
        super().__init__()
        self.rests: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.rests.append(timeout)
        self.set()
        return True


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def sauron(tmp_path: Path, clock: StepClock) -> Iterator[Sauron]:
    settings = Settings.read({"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3"})
    made = build(settings, runtime=RUNNER, clock=clock)
    yield made
    made.close()


@pytest.mark.parametrize(("took", "rest"), [(0.01, 0.01 * REST), (3.0, LONGEST_REST_SECONDS)])
def test_after_a_review_the_next_one_waits_so_that_ends_that_come_meanwhile_share_it(
    sauron: Sauron, clock: StepClock, took: float, rest: float
) -> None:
    clock.step, stopping = took, Stopping()
    sauron.signals.attempt_ended("some-job")
    review = BackgroundLoops(sauron, stopping).loops["incident-review"]
    thread = threading.Thread(target=review, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert stopping.rests == [pytest.approx(rest)]
