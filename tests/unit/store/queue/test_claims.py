"""What becomes of waiting retries, and of acknowledged triggers, when their job is switched off or gone."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from chalicelib.model.runs import OCCURRENCES, Origin, Outcome, RunId, RunState, Verdict, new_run_id
from chalicelib.store import Store, bundle, history
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims, enqueue, finish
from chalicelib.store.schema import job_queue, jobs
from tests.conftest import START, ManualClock, define

pytestmark = pytest.mark.every_store

GOING: dict[str, dict[str, Any]] = {
    "removed": {"removed_at": START, "next_fire_at": None},
    "rejected": {"rejected": "cron has 4 fields"},
    "off": {"enabled": False, "next_fire_at": None},
}


WHY = {
    "removed": "the job was removed from the bundle",
    "rejected": "the job's definition was rejected (cron has 4 fields)",
    "off": "the job is disabled",
}


def queued(tx: Tx, now: datetime, job_id: str, origin: Origin, *, force: bool = False) -> str:
    """Queue a run of a job that is due now."""
    row = {
        "id": new_run_id(),
        "job_id": job_id,
        "state": RunState.QUEUED,
        "origin": origin,
        "max_attempts": 3,
        "created_at": now,
        "due_at": now,
        "fire_at": now if origin in OCCURRENCES else None,
        "force": force,
        "reason": "of its own",
    }
    enqueue.put(tx, [row])
    return str(row["id"])


def claim(tx: Tx, now: datetime) -> claims.Claim:
    return claims.claim(tx, owner="me", now=now)


@pytest.mark.parametrize("going", GOING)
def test_a_waiting_retry_of_a_job_that_is_off_ends_with_the_reason(
    store: Store, clock: ManualClock, going: str
) -> None:
    now, why = clock.now(), f"not tried again: {WHY[going]}"
    kinds = list(itertools.product(Origin, ("failed", "interrupted"), ("a" * 40, None)))
    for number in range(len(kinds)):
        define(store, clock, f"j{number}", "0 0 1 1 *")
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        runs = [queued(tx, now, f"j{number}", origin) for number, (origin, _, _) in enumerate(kinds)]
        for _, outcome, revision in kinds:
            run = claim(tx, now).run
            assert run
            broke = Verdict(Outcome(outcome), "boom")
            assert finish.finish(tx, run, broke, owner="me", now=now, retry_at=now + timedelta(seconds=1))
            tx.execute(update(job_queue).where(job_queue.c.id == run.id).values(revision=revision))
        tx.execute(update(jobs).values(**GOING[going]))
        now += timedelta(seconds=1)
        looked = claim(tx, now)
        ended = [history.run(tx, RunId(run_id)) for run_id in runs]
    assert looked.run is None
    assert {(one.run_id, one.state, one.reason) for one in looked.decided} == {
        (run_id, RunState.FAILED, why) for run_id in runs
    }
    for one in ended:
        assert one
        assert (one.state, one.attempt, one.error_type) == (RunState.FAILED, 1, "disabled")
        assert (one.error, one.reason, one.finished_at) == (f"boom; {why}", "of its own", now)


def test_a_run_that_a_person_was_promised_starts_although_its_job_was_disabled_since(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *", overlap="allow")
    asked = itertools.product((Origin.TRIGGER, Origin.RETRY), (False, True))
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        runs = {queued(tx, clock.now(), "j", origin, force=force) for origin, force in asked}
        tx.execute(update(jobs).values(**GOING["off"]))
        taken = [claim(tx, clock.now()).run for _ in runs]
    assert {(run.id, run.attempt) for run in taken if run} == {(run_id, 1) for run_id in runs}
