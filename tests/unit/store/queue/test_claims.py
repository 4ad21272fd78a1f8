"""A retry of an occurrence is not an occurrence that may be dropped: what becomes of it when its job goes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from chalicelib.model.runs import Origin, Outcome, RunState, Verdict, new_run_id
from chalicelib.store import Store, bundle, history
from chalicelib.store.queue import claims, enqueue, finish
from chalicelib.store.schema import jobs
from tests.conftest import START, ManualClock, define

pytestmark = pytest.mark.every_store

GOING: dict[str, dict[str, Any]] = {
    "removed": {"removed_at": START, "next_fire_at": None},
    "rejected": {"rejected": "cron has 4 fields"},
    "off": {"enabled": False, "next_fire_at": None},
}


def failed_once(store: Store, clock: ManualClock, sha: str | None, **job: object) -> str:
    """Let an occurrence fail at its first attempt, with a retry that is due, and then change its job."""
    define(store, clock, "j", "0 0 1 1 *")
    run_id = new_run_id()
    row = {
        "id": run_id,
        "job_id": "j",
        "state": RunState.QUEUED,
        "origin": Origin.SCHEDULE,
        "max_attempts": 3,
        "created_at": clock.now(),
        "due_at": clock.now(),
        "fire_at": clock.now(),
    }
    with store.write() as tx:
        bundle.change(tx, active_sha=sha)
        enqueue.put(tx, [row])
        run = claims.claim(tx, owner="me", now=clock.now()).run
        assert run
        broke = Verdict(Outcome.FAILED, "boom")
        assert finish.finish(tx, run, broke, owner="me", now=clock.now(), retry_at=clock.now())
        tx.execute(update(jobs).values(**job))
    return run_id


@pytest.mark.parametrize("going", GOING)
def test_a_retry_that_is_bound_to_a_revision_runs_whatever_became_of_its_job(
    store: Store, clock: ManualClock, going: str
) -> None:
    run_id = failed_once(store, clock, "a" * 40, **GOING[going])
    with store.write() as tx:
        claim = claims.claim(tx, owner="me", now=clock.now())
    assert claim.decided == ()
    assert claim.run
    assert (claim.run.id, claim.run.attempt) == (run_id, 2)


@pytest.mark.parametrize("going", ["removed", "rejected"])
def test_a_retry_without_a_revision_fails_with_the_reason_and_is_never_skipped_or_missed(
    store: Store, clock: ManualClock, going: str
) -> None:
    run_id = failed_once(store, clock, None, **GOING[going])
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run is None
    with store.read() as tx:
        run = history.run(tx, run_id)
    assert run
    assert (run.state, run.attempt) == (RunState.FAILED, 1)
    assert going.replace("removed", "removed from the bundle") in str(run.error)
