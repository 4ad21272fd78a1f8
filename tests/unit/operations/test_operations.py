from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

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
from chalicelib.model.runs import Origin, Outcome, Run, RunState, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.store import Store, history, ledger, registry, runners
from chalicelib.store.queue import claims, finish
from sauron_jobs_loader.masking import Masker
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


def test_a_job_with_a_rejected_definition_is_not_triggered_and_its_runs_are_not_retried(
    store: Store, clock: ManualClock
) -> None:
    job = define(store, clock, "j", YEARLY)
    operations = Operations(store, clock)
    ended = operations.cancel(operations.trigger("j").id)
    with store.write() as tx:
        ledger.reject(tx, job, "cron", now=clock.now())
    with pytest.raises(JobDisabledError, match="rejected"):
        operations.trigger("j")
    with pytest.raises(JobDisabledError, match="rejected"):
        operations.retry(ended.id)


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


@pytest.mark.postgresql
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_retry_is_given_the_run_that_a_trigger_made_with_its_key_meanwhile(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", YEARLY)
    failed = Operations(store, clock).trigger("j")
    Operations(store, clock).cancel(failed.id)
    faster: list[Run] = []
    woken: list[str] = []

    class Overtaken(ManualClock):
        """Is asked first about a pause, and then for the new run, when none of its key was found."""

        asked = 0

        def now(self) -> datetime:
            self.asked += 1
            if self.asked == 2:
                faster.append(
                    Operations(store, clock).trigger("j", TriggerRequest(by="ann", idempotency_key="k"))
                )
            return super().now()

    operations = Operations(store, Overtaken(), wake=lambda: woken.append("slower"))
    slower = operations.retry(failed.id, by="bob", idempotency_key="k")
    assert ([slower], slower.requested_by, woken) == (faster, "ann", [])


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


Act = Callable[[Operations, str], object]
ACTS: dict[str, Act] = {
    "trigger": lambda operations, _run: operations.trigger("j", TriggerRequest(force=True)),
    "enable": lambda operations, _run: operations.enable("j"),
    "disable": lambda operations, _run: operations.disable("j"),
    "cancel": lambda operations, run: operations.cancel(run),
    "drain": lambda operations, _run: operations.drain("one", draining=True),
    "resume": lambda operations, _run: operations.drain("one", draining=False),
}


@pytest.mark.parametrize("name", ACTS)
def test_every_act_wakes_the_workers_once_when_it_is_stored(
    store: Store, clock: ManualClock, name: str
) -> None:
    define(store, clock, "j", YEARLY)
    run = Operations(store, clock).trigger("j")
    with store.write() as tx:
        runners.runner_seen(tx, runners.Runner("one", "host", 1, "3", clock.now(), clock.now()))
    before = stored(store)
    seen: list[object] = []
    ACTS[name](Operations(store, clock, wake=lambda: seen.append(stored(store))), run.id)
    assert len(seen) == 1
    assert seen[0] != before or name in {"enable", "resume"}  # it was on, and was not drained
    assert seen[0] == stored(store)


def test_a_retry_wakes_the_workers(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", YEARLY)
    over = Operations(store, clock).cancel(Operations(store, clock).trigger("j").id)
    seen: list[object] = []
    made = Operations(store, clock, wake=lambda: seen.append(stored(store))).retry(over.id)
    assert seen == [stored(store)]
    with store.read() as tx:
        assert history.run(tx, made.id) == made


def stored(store: Store) -> object:
    """Return what an act may change."""
    with store.read() as tx:
        job = registry.job(tx, "j")
        runs = sorted((run.id, run.state, run.cancel_reason) for run in history.runs(tx, job_id="j", limit=9))
        return (job and job.enabled, runs, [one.draining for one in runners.all_runners(tx)])


def test_no_value_of_a_secret_is_stored_with_an_act(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", YEARLY)
    operations = Operations(store, clock, masker=lambda: Masker(["hunter2-and-more"]))
    run = operations.trigger("j", TriggerRequest(reason="with hunter2-and-more", params={"n": 1}))
    job = operations.disable("j", SwitchRequest(reason="hunter2-and-more again"))
    assert job.override is not None
    assert (run.reason, job.override.reason) == ("with ***", "*** again")
    operations.enable("j")
    with pytest.raises(ParamsError, match="declare it in the job's `secrets`") as caught:
        operations.trigger("j", TriggerRequest(params={"deep": ["hunter2-and-more"]}))
    assert "hunter2" not in str(caught.value)


def test_an_unknown_run_is_named(store: Store, clock: ManualClock) -> None:
    with pytest.raises(UnknownRunError, match="no-such"):
        Operations(store, clock).cancel("no-such")
