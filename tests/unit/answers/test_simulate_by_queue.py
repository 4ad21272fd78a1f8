"""The simulation beside the queue itself: real claims and ends, with a clock that is moved by hand."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers.simulate import simulate
from chalicelib.model.runs import Outcome, Run, RunState, Verdict
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, history
from chalicelib.store.queue import chains, claims, finish, pools
from tests.conftest import ManualClock, define
from tests.unit.answers.job_sets import member

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICIES = ("skip", "queue", "replace", "allow")
MINUTES = 6


def executed(store: Store, clock: ManualClock, takes: dict[str, int], workers: int) -> None:
    """Tick each minute, and claim and end runs at the instants at which something is due."""
    running: dict[str, tuple[Run, datetime]] = {}
    while clock.now() < START + timedelta(minutes=MINUTES + 20):
        now = clock.now()
        if now.second == 0:
            tick(store, clock)
        with store.write() as tx:
            for run_id, (run, end) in list(running.items()):
                if end <= now:
                    done = finish.finish(
                        tx, run, Verdict(Outcome.SUCCEEDED), owner="r", now=now, retry_at=None
                    )
                    assert done
                    del running[run_id]
            chains.flow(tx, now=now)
            while len(running) < workers:
                claim = claims.claim(tx, owner="r", now=now)
                for one in claim.cancelled:
                    over, _ = running.pop(one)
                    finish.finish(tx, over, Verdict(Outcome.CANCELLED), owner="r", now=now, retry_at=None)
                if claim.run is not None:
                    running[claim.run.id] = (claim.run, now + timedelta(seconds=takes[claim.run.job_id]))
                elif not claim.decided and not claim.cancelled and not chains.flow(tx, now=now):
                    break
        clock.move(seconds=10)


@pytest.mark.parametrize("seed", range(4))
def test_the_queue_does_what_was_simulated(seed: int, store: Store) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    clock = ManualClock(START - timedelta(seconds=10))
    workers, takes = chance.randint(1, 2), {}
    jobs: dict[Any, Any] = {}
    for number in range(4):
        name = f"job-{number}"
        fires = sorted(chance.sample(range(MINUTES), chance.randint(2, MINUTES)))
        cron = f"{','.join(map(str, fires))} 12 * * *"
        job = define(store, clock, name, cron, overlap=POLICIES[(number + seed) % 4], catchup="none")
        jobs[name] = member(job.spec.record)
        takes[name] = chance.choice((10, 50, 70, 130))
    clock.move(seconds=10)
    executed(store, clock, takes, workers)
    with store.read() as tx:
        runs = [run for run in history.runs(tx, limit=1000) if run.fire_at and run.fire_at.hour == 12]
    found = simulate(
        jobs,
        {name: [float(seconds)] for name, seconds in takes.items()},
        start=START,
        end=START + timedelta(minutes=MINUTES),
        workers=workers,
    )
    assert {
        (one["job_id"], at(one["fire_at"]), one["state"], at(one["starts_at"]), at(one["ends_at"]))
        for one in found["runs"]
    } == {
        (run.job_id, run.fire_at, "skipped", None, None)
        if run.state is RunState.SKIPPED
        else (run.job_id, run.fire_at, "ran", run.started_at, run.finished_at)
        for run in runs
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_chains_pools_and_priorities_do_what_was_simulated(seed: int, store: Store) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    clock = ManualClock(START - timedelta(seconds=10))
    jobs: dict[Any, Any] = {}
    takes: dict[str, int] = {}
    sizes = {"wide": 2}

    def make(name: str, cron: str, **more: Any) -> None:
        more |= {"pool": chance.choice((None, "wide", "narrow")), "priority": chance.randint(-1, 1)}
        job = define(store, clock, name, cron, catchup="none", **more)
        jobs[name] = member(job.spec.record)
        takes[name] = chance.choice((10, 20, 50, 70))

    for name in ("a", "b"):
        make(name, "0-5 12 * * *", overlap="skip")
    make("c", "1,3 12 * * *", overlap="queue")
    make("after-a", "", after=["a"], overlap=chance.choice(POLICIES[:2]))
    make("both", "", after=["a", "b"], overlap="queue")
    make("last", "", after=["after-a", "both"], overlap="queue")
    with store.write() as tx:
        pools.keep_sizes(tx, sizes)
    clock.move(seconds=10)
    executed(store, clock, takes, 3)
    with store.read() as tx:
        runs = [run for run in history.runs(tx, limit=1000) if run.scheduled_for.hour == 12]
    found = simulate(
        jobs,
        {name: [float(seconds)] for name, seconds in takes.items()},
        start=START,
        end=START + timedelta(minutes=MINUTES),
        workers=3,
        pools=sizes,
    )
    assert len(found["runs"]) > 25
    assert {
        (one["job_id"], at(one["fire_at"]), one["state"], at(one["starts_at"])) for one in found["runs"]
    } == {
        (
            run.job_id,
            run.scheduled_for,
            "skipped" if run.state is RunState.SKIPPED else "ran",
            run.started_at,
        )
        for run in runs
    }


def at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
