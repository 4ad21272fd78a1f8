from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.errors import (
    IdempotencyError,
    JobDisabledError,
    ParamsError,
    RunStateError,
    UnknownJobError,
    UnknownRunError,
    UntilError,
)
from chalicelib.model.runs import Origin, Outcome, RunState, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.store import Store, history, ledger, registry
from chalicelib.store.queue import claims, finish
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

YEARLY = "0 0 1 1 *"


def test_a_trigger_answers_a_run_that_is_stored(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", YEARLY, max_attempts=2)
    run = Operations(store, clock).trigger("j", TriggerRequest(reason="now", by="jarvis"))
    with store.read() as tx:
        assert history.run(tx, run.id) == run
    assert (run.state, run.origin, run.due_at, run.max_attempts) == (
        RunState.QUEUED,
        Origin.TRIGGER,
        clock.now(),
        2,
    )
    assert (run.requested_by, run.reason) == ("jarvis", "now")


def test_an_unknown_job_is_named_with_a_likely_one(store: Store, clock: ManualClock) -> None:
    define(store, clock, "backup-db", YEARLY)
    with pytest.raises(UnknownJobError, match="backup-db"):
        Operations(store, clock).trigger("backup-bd")


def test_a_disabled_job_is_not_triggered_and_the_answer_says_who_switched_it_off(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", YEARLY)
    Operations(store, clock).disable("j", SwitchRequest(reason="maintenance", by="ann"))
    with pytest.raises(JobDisabledError, match=r"ann.*maintenance.*sauron enable j"):
        Operations(store, clock).trigger("j")


def test_a_job_with_a_rejected_definition_is_not_triggered(store: Store, clock: ManualClock) -> None:
    job = define(store, clock, "j", YEARLY)
    with store.write() as tx:
        ledger.reject(tx, job, "cron")
    with pytest.raises(JobDisabledError, match="rejected"):
        Operations(store, clock).trigger("j")


SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer", "minimum": 1}},
    "required": ["days"],
    "additionalProperties": False,
}


def test_params_are_held_against_the_jobs_schema_and_every_fault_is_named(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", YEARLY, params={"schema": SCHEMA})
    assert Operations(store, clock).trigger("j", TriggerRequest(params={"days": 3})).params == {"days": 3}
    with pytest.raises(ParamsError) as caught:
        Operations(store, clock).trigger("j", TriggerRequest(params={"days": 0, "extra": 1}))
    assert len(caught.value.faults) == 2
    with pytest.raises(ParamsError, match="days"):
        Operations(store, clock).trigger("j")


def test_an_idempotency_key_answers_the_run_it_made_and_refuses_another_request(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", YEARLY)
    first = Operations(store, clock).trigger("j", TriggerRequest(params={"a": 1}, idempotency_key="k"))
    clock.move(hours=1)
    assert (
        Operations(store, clock).trigger("j", TriggerRequest(params={"a": 1}, idempotency_key="k")).id
        == first.id
    )
    with pytest.raises(IdempotencyError):
        Operations(store, clock).trigger("j", TriggerRequest(params={"a": 2}, idempotency_key="k"))


def test_a_switch_takes_effect_at_once_and_the_queue_follows(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "* * * * *", enabled=False)
    job = Operations(store, clock).enable("j", SwitchRequest(by="ann"))
    assert (job.enabled, job.override and job.override.by) == (True, "ann")
    clock.move(minutes=1)
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run


def test_an_override_that_ended_already_is_refused(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", YEARLY)
    with pytest.raises(UntilError, match="later time"):
        Operations(store, clock).disable("j", SwitchRequest(until=clock.now() - timedelta(seconds=1)))
    with store.read() as tx:
        job = registry.job(tx, "j")
    assert job
    assert job.override is None


def test_a_run_that_is_over_cannot_be_cancelled_and_one_that_is_not_cannot_be_retried(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", YEARLY)
    run = Operations(store, clock).trigger("j", TriggerRequest(params={"a": 1}))
    with pytest.raises(RunStateError):
        Operations(store, clock).retry(run.id)
    assert Operations(store, clock).cancel(run.id, by="ann").state is RunState.CANCELLED
    with pytest.raises(RunStateError, match="cancelled"):
        Operations(store, clock).cancel(run.id)
    again = Operations(store, clock).retry(run.id, by="ann")
    assert (again.origin, again.params, again.state) == (Origin.RETRY, {"a": 1}, RunState.QUEUED)
    assert again.id != run.id


def test_a_running_run_is_asked_to_stop(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", YEARLY)
    Operations(store, clock).trigger("j")
    with store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
    assert run
    asked = Operations(store, clock).cancel(run.id, by="ann")
    assert (asked.state, asked.cancel_reason) == (RunState.RUNNING, "cancelled by ann")
    with store.write() as tx:
        finish.finish(
            tx,
            run,
            Verdict(Outcome.CANCELLED, "cancelled by ann"),
            owner="me",
            now=clock.now(),
            retry_at=None,
        )


def test_an_unknown_run_is_named(store: Store, clock: ManualClock) -> None:
    with pytest.raises(UnknownRunError, match="no-such"):
        Operations(store, clock).cancel("no-such")
