"""What a switch leaves in the ledger and in the periods that the audit goes by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from chalicelib.answers.audit import audit
from chalicelib.model.runs import RunState
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, history
from chalicelib.store.schema import job_queue
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store


def rows(store: Store, job_id: str) -> list[tuple[str, str, int]]:
    with store.read() as tx:
        runs = [run for run in history.runs(tx, job_id=job_id, limit=500) if run.fire_at]
    return sorted((run.fire_at.strftime("%H:%M"), run.state, run.gap_count) for run in runs if run.fire_at)


def test_a_job_switched_off_and_on_again_is_treated_after_downtime_as_one_that_never_was(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "switched", catchup="none")
    define(store, clock, "always", catchup="none")
    tick(store, clock)
    operations = Operations(store, clock)
    operations.disable("switched")
    clock.move(seconds=1)
    operations.enable("switched")
    clock.move(minutes=1)
    tick(store, clock)
    clock.move(minutes=10)
    tick(store, clock)
    assert rows(store, "switched") == rows(store, "always")
    assert any(state == RunState.MISSED for _, state, _ in rows(store, "switched"))


def test_the_audit_misses_an_occurrence_of_a_job_that_was_switched_on_again(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j")
    operations = Operations(store, clock)
    operations.disable("j")
    operations.enable("j")
    clock.move(minutes=1)
    tick(store, clock)
    clock.move(minutes=1)
    tick(store, clock)
    gone = clock.now().replace(second=0)
    with store.write() as tx:
        assert audit(tx, now=clock.now()).holes == ()
        assert tx.execute(delete(job_queue).where(job_queue.c.fire_at == gone)).rowcount == 1
        assert [one.fire_at for one in audit(tx, now=clock.now()).holes] == [gone]


def test_a_job_that_was_off_again_since_a_past_instant_has_no_row_after_it(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", enabled=False)
    end = clock.now() + timedelta(minutes=30)
    Operations(store, clock).enable("j", SwitchRequest(until=end))
    clock.move(minutes=90)
    tick(store, clock)
    with store.read() as tx:
        fires = [run.fire_at for run in history.runs(tx, job_id="j", limit=500) if run.fire_at]
    assert fires
    assert max(fires) <= end
