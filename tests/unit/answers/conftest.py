"""A store, its clock and the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers import ask_why
from chalicelib.model.runs import Outcome, Run, Verdict
from chalicelib.operations.operations import Operations
from chalicelib.scheduling.tick import tick
from chalicelib.settings import Settings
from chalicelib.store import Store, runners
from chalicelib.store.queue import claims, finish
from chalicelib.store.runners import Runner
from tests.conftest import ManualClock

GOOD = Verdict(Outcome.SUCCEEDED)


@dataclass
class World:
    """What tests do: let time pass, run what is due, switch jobs, ask why."""

    store: Store
    clock: ManualClock
    settings: Settings = field(default_factory=lambda: Settings.read({"JOB_QUEUE_ENABLED": "1"}))

    @property
    def operations(self) -> Operations:
        return Operations(self.store, self.clock)

    def why(self, job_id: str, at: str | None = None) -> dict[str, Any]:
        with self.store.read() as tx:
            return ask_why.answer(tx, job_id, at, now=self.clock.now(), settings=self.settings)

    def tick(self) -> None:
        tick(self.store, self.clock)

    def pass_minutes(self, count: int) -> None:
        """Let minutes pass, with a tick in each."""
        for _ in range(count):
            self.clock.move(minutes=1)
            self.tick()

    def until(self, hour: int, minute: int, second: int = 0) -> datetime:
        """Let time pass with its ticks, up to a time of this day."""
        end = self.clock.now().replace(hour=hour, minute=minute, second=second)
        while self.clock.now() + timedelta(minutes=1) <= end:
            self.pass_minutes(1)
        self.clock.move(seconds=(end - self.clock.now()).total_seconds())
        self.tick()
        return end

    def claim(self) -> Run | None:
        with self.store.write() as tx:
            return claims.claim(tx, owner="runner-1", now=self.clock.now()).run

    def begin(self) -> Run:
        run = self.claim()
        assert run is not None
        return run

    def end(self, run: Run, verdict: Verdict = GOOD, *, retry_in: timedelta | None = None) -> None:
        with self.store.write() as tx:
            now = self.clock.now()
            retry_at = now + retry_in if retry_in else None
            assert finish.finish(tx, run, verdict, owner="runner-1", now=now, retry_at=retry_at)

    def join(self, name: str = "runner-1", *, draining: bool = False) -> None:
        """Have a runner there, seen just now."""
        now = self.clock.now()
        with self.store.write() as tx:
            runners.runner_seen(tx, Runner(name, "host", 1, "3", now, now))
            runners.drain(tx, name, draining=draining)


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    return World(store, clock)
