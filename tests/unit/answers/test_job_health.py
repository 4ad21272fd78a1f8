from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.answers.job_health import JobHealth, failing, families, healths
from chalicelib.model.jobs import Override
from chalicelib.model.runs import RunState
from chalicelib.store import Store, incidents, ledger, registry
from tests.conftest import ManualClock, define
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store


def stands(store: Store, clock: ManualClock) -> dict[str, JobHealth]:
    with store.read() as tx:
        return {one.job.id: one for one in healths(tx, registry.all_jobs(tx), now=clock.now())}


def open_incident(store: Store, clock: ManualClock, job_id: str, kind: str) -> None:
    with store.write() as tx:
        incidents.begin(
            tx, job_id, kind, reason="so", since=clock.now(), told_at=None, job_id=job_id, run_id=None
        )


def test_each_job_has_one_standing_the_most_harmful_that_applies(store: Store, clock: ManualClock) -> None:
    minute = clock.now()
    ended = {
        "failed": RunState.FAILED,
        "timed-out": RunState.TIMED_OUT,
        "degraded": RunState.DEGRADED,
        "succeeded": RunState.SUCCEEDED,
        "cancelled": RunState.CANCELLED,
        "failed-once-of-three": RunState.FAILED,
        "running": RunState.RUNNING,
        "late-and-degraded": RunState.DEGRADED,
        "failed-and-late": RunState.FAILED,
        "told-and-runs-again": RunState.RUNNING,
        "off-after-failing": RunState.FAILED,
        "missed": RunState.SUCCEEDED,
        "rejected": RunState.SUCCEEDED,
    }
    for job_id, state in ended.items():
        define(store, clock, job_id, "0 3 * * *")
        record(store, job_id, RunState.SUCCEEDED, minute - timedelta(hours=2))
        record(store, job_id, state, minute - timedelta(hours=1))
    define(store, clock, "never-ran", "0 3 * * *")
    for job_id in ("failed", "timed-out", "failed-and-late"):
        open_incident(store, clock, job_id, "failing")
    open_incident(store, clock, "late-and-degraded", "late")
    open_incident(store, clock, "failed-and-late", "late")
    open_incident(store, clock, "told-and-runs-again", "failing")
    open_incident(store, clock, "missed", "missed")
    with store.write() as tx:
        off = registry.job(tx, "off-after-failing")
        wrong = registry.job(tx, "rejected")
        assert off is not None
        assert wrong is not None
        override = Override(enabled=False, reason=None, by="me", at=minute, until=None)
        registry.set_override(tx, off.id, override)
        ledger.switch(tx, off, enabled=False, at=minute, now=minute)
        ledger.reject(tx, wrong, "the hour 25 does not exist", now=minute)
    found = stands(store, clock)
    assert {job_id: str(one.health) for job_id, one in found.items()} == {
        "failed": "failing",
        "failed-and-late": "failing",
        "timed-out": "failing",
        "told-and-runs-again": "failing",
        "late-and-degraded": "late",
        "degraded": "degraded",
        "missed": "missed",
        "rejected": "rejected",
        "off-after-failing": "off",
        "running": "running",
        "succeeded": "well",
        "cancelled": "well",
        "failed-once-of-three": "well",
        "never-ran": "well",
    }
    order = [str(one.health) for one in found.values()]
    assert order[:9] == ["failing"] * 4 + ["late", "degraded", "missed", "rejected", "off"]
    assert found["timed-out"].mark == "timed_out"
    assert found["failed"].mark == "failed"
    wants = {job_id for job_id, one in found.items() if one.needs_a_person}
    assert set(found) - wants == {"running", "succeeded", "cancelled", "never-ran", "failed-once-of-three"}
    with store.read() as tx:
        assert failing(tx) == 4


def test_what_git_switches_off_needs_nobody(store: Store, clock: ManualClock) -> None:
    define(store, clock, "off", "0 3 * * *", enabled=False)
    assert not stands(store, clock)["off"].needs_a_person


def test_a_job_that_follows_others_stands_below_the_first_of_them_unless_it_is_worse(
    store: Store, clock: ManualClock
) -> None:
    def order() -> list[tuple[str, int]]:
        with store.read() as tx:
            found = healths(tx, registry.all_jobs(tx), now=clock.now())
        return [(one.job.id, depth) for one, depth in families(found)]

    define(store, clock, "dump", "0 3 * * *")
    define(store, clock, "archive", "0 2 * * *")
    define(store, clock, "verify", "", after=["dump", "archive"])
    define(store, clock, "report", "", after=["verify"])
    assert order() == [("archive", 0), ("dump", 0), ("verify", 1), ("report", 2)]
    open_incident(store, clock, "report", "failing")
    assert order() == [("report", 0), ("archive", 0), ("dump", 0), ("verify", 1)]
    open_incident(store, clock, "verify", "failing")
    assert order() == [("verify", 0), ("report", 1), ("archive", 0), ("dump", 0)]
    define(store, clock, "dump", "", after=["report"])  # a circle of definitions of two revisions
    assert sorted(job_id for job_id, _ in order()) == ["archive", "dump", "report", "verify"]
