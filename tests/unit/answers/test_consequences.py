from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.answers.consequences import Consequences, consequences, followers, stopped
from chalicelib.answers.job_health import Health, healths
from chalicelib.model.runs import RunState
from chalicelib.store import Store, history, incidents, ledger, registry
from chalicelib.store.queue import chains, pools
from tests.conftest import ManualClock, define
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store


def of(store: Store, clock: ManualClock, job_id: str) -> tuple[Health, Consequences]:
    with store.read() as tx:
        found = healths(tx, registry.all_jobs(tx), now=clock.now())
        told = consequences(tx, found, now=clock.now())
    return next(one.health for one in found if one.job.id == job_id), told[job_id]


def test_a_chain_is_followed_as_far_as_each_child_names_the_one_above_it(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "dump", "0 3 * * *")
    define(store, clock, "copy", "0 3 * * *")
    define(store, clock, "verify", "", after=["dump", "copy"])
    define(store, clock, "report", "", after=["verify"])
    define(store, clock, "index", "", after=["copy"])
    at = clock.now() - timedelta(hours=9)
    failed = record(store, "dump", RunState.FAILED, at)
    record(store, "copy", RunState.SUCCEEDED, at)
    for _ in range(3):
        with store.write() as tx:
            chains.flow(tx, now=clock.now())
    assert list(of(store, clock, "dump")[1].stopped) == ["verify", "report"]
    assert list(of(store, clock, "copy")[1].stopped) == []
    with store.write() as tx:
        jobs = {str(job.id): job for job in registry.all_jobs(tx)}
        assert stopped(tx, jobs.values()) == {"verify": "dump", "report": "verify"}
        assert followers(tx, "copy") == ["index", "verify", "report"]
        ledger.retire(tx, jobs["report"], now=clock.now(), revision="b" * 40)
        assert followers(tx, "copy") == ["index", "verify"]
        assert history.jobs_of(tx, [failed, "nothing"]) == {failed: "dump"}
        assert history.jobs_of(tx, []) == {}


def test_a_circle_of_old_and_new_definitions_is_walked_once(store: Store, clock: ManualClock) -> None:
    define(store, clock, "one", "0 3 * * *", after=["other"])
    define(store, clock, "other", "0 4 * * *", after=["one"])
    with store.read() as tx:
        assert followers(tx, "one") == ["other"]


def test_what_a_late_job_holds_up_and_who_waits_for_its_place(store: Store, clock: ManualClock) -> None:
    define(store, clock, "dump", "0 3 * * *")
    define(store, clock, "verify", "", after=["dump"])
    assert of(store, clock, "dump") == (Health.WELL, Consequences([], [], "", []))
    with store.write() as tx:
        pools.keep_sizes(tx, {"disk": 1, "net": 2})
        incidents.begin(
            tx, "dump", "late", reason="so", since=clock.now(), told_at=None, job_id="dump", run_id=None
        )
    record(store, "dump", RunState.RUNNING, clock.now(), pool="disk")
    record(store, "x", RunState.QUEUED, clock.now(), pool="disk")
    record(store, "y", RunState.QUEUED, clock.now() + timedelta(hours=1), pool="disk")
    record(store, "z", RunState.QUEUED, clock.now(), pool="net")
    assert of(store, clock, "dump") == (Health.LATE, Consequences([], ["verify"], "disk", ["x"]))
