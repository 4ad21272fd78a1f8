"""The simulation beside the queue itself: real claims and ends, with a clock that is moved by hand.

What is foreseen in the midst of it, from what runs and waits then, is held against what comes of it too.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers.foreseen import foresee
from chalicelib.answers.simulate import simulate
from chalicelib.model.runs import Outcome, Run, RunState, Verdict
from chalicelib.scheduling.tick import tick
from chalicelib.settings import Settings
from chalicelib.store import Store, history
from chalicelib.store.queue import chains, claims, finish, pools
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.answers.job_sets import member

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICIES = ("skip", "queue", "replace", "allow")
MINUTES = 6


END = START + timedelta(minutes=MINUTES + 20)
Going = dict[str, tuple[Run, datetime]]


def executed(
    store: Store,
    clock: ManualClock,
    takes: dict[str, int],
    workers: int,
    *,
    until: datetime = END,
    running: Going | None = None,
) -> None:
    """Tick each minute, and claim and end runs at the instants at which something is due."""
    running = {} if running is None else running
    while clock.now() < until:
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


def foreseen_midway(
    store: Store,
    clock: ManualClock,
    takes: dict[str, int],
    settings: Settings,
    midway: datetime,
    *,
    triggered: Mapping[str, int] | None = None,
) -> set[tuple[str, datetime, bool, datetime | None]]:
    """Execute everything, and return what was foreseen at an instant of what fired after it.

    A run of each of the jobs that are `triggered`, with its priority, is asked for at that instant.
    """
    running: Going = {}
    for name, seconds in takes.items():
        record(store, name, RunState.SUCCEEDED, START - timedelta(days=1), seconds=seconds)
    executed(store, clock, takes, settings.workers, until=midway, running=running)
    for name, rank in (triggered or {}).items():
        record(store, name, RunState.QUEUED, midway, origin="trigger", fire_at=None, priority=rank)
    executed(store, clock, takes, settings.workers, until=midway + timedelta(seconds=10), running=running)
    with store.read() as tx:
        seen = foresee(tx, settings, now=midway)
    assert not any(run.uncertain for _, _, run in seen.simulated)
    executed(store, clock, takes, settings.workers, running=running)
    return {
        (
            job_id,
            midway + timedelta(microseconds=run.fire),
            run.starts is not None,
            None if run.starts is None else midway + timedelta(microseconds=run.starts),
        )
        for _, job_id, run in seen.simulated
        if run.fire < timedelta(hours=1) / timedelta(microseconds=1)
    }


def came(store: Store, midway: datetime) -> set[tuple[str, datetime, bool, datetime | None]]:
    """Return what came of the occurrences that fired after an instant."""
    with store.read() as tx:
        runs = [run for run in history.runs(tx, limit=1000) if run.scheduled_for >= START]
    return {
        (run.job_id, run.scheduled_for, run.state is not RunState.SKIPPED, run.started_at)
        for run in runs
        if run.scheduled_for > midway
    }


@pytest.mark.parametrize("seed", range(20))
def test_the_queue_does_what_was_foreseen_from_what_ran_and_waited(seed: int, store: Store) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    clock = ManualClock(START - timedelta(seconds=10))
    takes: dict[str, int] = {}
    for number in range(4):
        name = f"job-{number}"
        fires = sorted(chance.sample(range(MINUTES), chance.randint(2, MINUTES)))
        more = {"overlap": POLICIES[(number + seed) % 4], "catchup": "none", "priority": number}
        define(store, clock, name, f"{','.join(map(str, fires))} 12 * * *", **more)
        takes[name] = chance.choice((10, 50, 70, 130))
    clock.move(seconds=10)
    settings = Settings.read({"SAURON_WORKERS": str(chance.randint(1, 2))})
    midway = START + timedelta(minutes=2, seconds=chance.choice((10, 20, 50)))
    others = [number for number in range(4) if POLICIES[(number + seed) % 4] != "replace"]
    triggered = {f"job-{number}": number for number in chance.sample(others, chance.randint(0, 3))}
    foreseen = foreseen_midway(store, clock, takes, settings, midway, triggered=triggered)
    assert len(foreseen) > 4
    assert foreseen == came(store, midway)


@pytest.mark.parametrize("seed", range(8))
def test_the_queue_does_what_was_foreseen_of_chains_and_pools(seed: int, store: Store) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    clock = ManualClock(START - timedelta(seconds=10))
    takes: dict[str, int] = {}

    def make(name: str, cron: str, **more: Any) -> None:
        more |= {"pool": chance.choice((None, "wide", "narrow")), "priority": len(takes)}
        define(store, clock, name, cron, catchup="none", **more)
        takes[name] = chance.choice((10, 20, 50, 70))

    for name in ("a", "b"):
        make(name, "0-5 12 * * *", overlap="skip")
    make("c", "1,3 12 * * *", overlap="queue")
    make("after-a", "", after=["a"], overlap=chance.choice(POLICIES[:2]))
    make("last", "", after=["after-a"], overlap="queue")
    settings = Settings.read({"SAURON_WORKERS": "2", "SAURON_POOLS": "wide:2"})
    with store.write() as tx:
        pools.keep_sizes(tx, settings.pools)
    clock.move(seconds=10)
    midway = START + timedelta(minutes=2, seconds=chance.choice((0, 20, 50)))
    foreseen = foreseen_midway(store, clock, takes, settings, midway)
    followed = {one for one in foreseen if one[1] <= midway}  # by children of what ran or waited
    assert len(foreseen - followed) > 8
    assert foreseen - followed == came(store, midway)
    with store.read() as tx:
        known = {(run.job_id, run.scheduled_for, run.started_at) for run in history.runs(tx, limit=1000)}
    assert {(job, fire, starts) for job, fire, _, starts in followed} <= known


def at(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
