"""What every store does with runs; the fixture decides which store it is."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import IntegrityError

from chalicelib.model.runs import EXECUTED, Origin, Outcome, Run, RunState, Verdict, new_run_id
from chalicelib.store import Store, duties, history, ledger, periods, registry, run_pruning
from chalicelib.store.queue import claims, enqueue, leases
from chalicelib.store.queue import finish as queue
from chalicelib.store.schema import job_queue
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

DONE = Verdict(Outcome.SUCCEEDED)


def claim(store: Store, clock: ManualClock, owner: str = "me") -> Run | None:
    with store.write() as tx:
        return claims.claim(tx, owner=owner, now=clock.now()).run


def claimed(store: Store, clock: ManualClock, owner: str = "me") -> Run:
    run = claim(store, clock, owner)
    assert run is not None
    return run


def finish(
    store: Store,
    clock: ManualClock,
    run: Run,
    verdict: Verdict = DONE,
    *,
    owner: str = "me",
    retry_in: float = 0,
) -> bool:
    with store.write() as tx:
        retry_at = clock.now() + timedelta(seconds=retry_in) if retry_in else None
        return queue.finish(tx, run, verdict, owner=owner, now=clock.now(), retry_at=retry_at)


def trigger(store: Store, clock: ManualClock, job_id: str, *, force: bool = False, due_in: float = 0) -> str:
    run_id = new_run_id()
    row = {
        "id": run_id,
        "job_id": job_id,
        "state": RunState.QUEUED,
        "origin": Origin.TRIGGER,
        "max_attempts": 3,
        "force": force,
    }
    with store.write() as tx:
        enqueue.put(
            tx, [row | {"created_at": clock.now(), "due_at": clock.now() + timedelta(seconds=due_in)}]
        )
    return run_id


def all_runs(store: Store, job_id: str) -> list[Run]:
    with store.read() as tx:
        return sorted(
            history.runs(tx, job_id=job_id), key=lambda run: (run.fire_at or run.created_at, run.id)
        )


def states(store: Store, job_id: str) -> list[str]:
    return [run.state for run in all_runs(store, job_id)]


def test_at_most_one_run_exists_for_an_occurrence(store: Store, clock: ManualClock) -> None:
    job = define(store, clock, "j")
    with store.write() as tx:
        # all of it a second time
        ledger.fill(tx, [dataclasses.replace(job, cursor=clock.now())], now=clock.now())
    fires = [run.fire_at for run in all_runs(store, "j")]
    assert fires == [clock.now().replace(minute=1, second=0), clock.now().replace(minute=2, second=0)]


def test_a_run_is_claimed_once_however_many_ask_at_once(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    for _ in range(20):
        trigger(store, clock, "j", force=True)
    got: list[str] = []

    def ask(owner: str) -> None:
        while run := claim(store, clock, owner):
            got.append(run.id)

    threads = [threading.Thread(target=ask, args=(f"owner-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 20


def test_what_is_due_longest_is_claimed_first_and_nothing_before_its_time(
    store: Store, clock: ManualClock
) -> None:
    for name in ("a", "b"):
        define(store, clock, name, "0 0 1 1 *")
    later = trigger(store, clock, "a", due_in=20)
    sooner = trigger(store, clock, "b", due_in=10)
    assert claim(store, clock) is None
    with store.read() as tx:
        assert enqueue.next_due(tx, now=clock.now()) == clock.now() + timedelta(seconds=10)
    clock.move(seconds=30)
    assert [claimed(store, clock).id, claimed(store, clock).id] == [sooner, later]


def test_a_finish_without_the_lease_changes_nothing(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    first = claimed(store, clock, "one")
    assert finish(store, clock, first, Verdict(Outcome.INTERRUPTED), owner="one", retry_in=1)  # the rescue
    clock.move(seconds=2)
    second = claimed(store, clock, "one")
    assert (second.id, second.attempt, second.lease_generation) == (first.id, 2, first.lease_generation + 1)
    assert not finish(store, clock, first, owner="one")
    assert not finish(store, clock, second, owner="two")
    assert finish(store, clock, second, owner="one")
    assert not finish(store, clock, second, owner="one")
    [run] = all_runs(store, "j")
    assert run.state is RunState.SUCCEEDED


def test_a_retry_goes_back_to_the_queue_and_keeps_what_it_was_scheduled_for(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "*/30 * * * *")
    clock.move(minutes=29)
    define(store, clock, "j", "*/30 * * * *", description="edited")
    clock.move(minutes=1)
    run = claimed(store, clock)
    finish(store, clock, run, Verdict(Outcome.FAILED, "boom", "ValueError"), retry_in=60)
    [waiting] = all_runs(store, "j")
    assert (waiting.state, waiting.fire_at, waiting.error) == (RunState.QUEUED, run.fire_at, "boom")
    assert waiting.due_at == clock.now() + timedelta(seconds=60)
    clock.move(seconds=61)
    again = claimed(store, clock)
    assert (again.id, again.attempt, again.revision) == (run.id, 2, run.revision)
    with store.read() as tx:
        assert [(a.number, a.outcome) for a in history.attempts_of(tx, run.id)] == [(1, "failed"), (2, None)]


def test_a_run_binds_its_revision_at_its_first_claim(store: Store, clock: ManualClock) -> None:
    from chalicelib.store import bundle

    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    with store.write() as tx:
        bundle.change(tx, active_sha="b" * 40)
    run = claimed(store, clock)
    assert run.revision == "b" * 40
    finish(store, clock, run, Verdict(Outcome.FAILED), retry_in=1)
    with store.write() as tx:
        bundle.change(tx, active_sha="c" * 40)
    clock.move(seconds=2)
    assert claimed(store, clock).revision == "b" * 40


def test_a_run_cancelled_while_it_failed_by_itself_is_not_tried_again(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    run = claimed(store, clock)
    with store.write() as tx:
        queue.request_cancel(tx, run.id, why="cancelled by ann", now=clock.now())
    finish(store, clock, run, Verdict(Outcome.FAILED, "boom"), retry_in=60)
    [ended] = all_runs(store, "j")
    assert (ended.state, ended.error) == (RunState.CANCELLED, "cancelled by ann")


def test_what_no_store_can_hold_is_made_storable(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    finish(store, clock, claimed(store, clock), Verdict(Outcome.FAILED, "lone \ud800 and \x00", "T" * 999))
    [ended] = all_runs(store, "j")
    assert (ended.error, len(str(ended.error_type))) == ("lone ? and \ufffd", 255)


def test_after_downtime_nothing_stale_is_claimed_before_the_next_tick(
    store: Store, clock: ManualClock
) -> None:

    minutely(store, clock, "skip")
    with store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
    clock.move(hours=4)
    asked = trigger(store, clock, "j")
    assert claimed(store, clock).id == asked
    assert claim(store, clock) is None
    with store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())


def test_handing_back_makes_a_claim_undone(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    run = claimed(store, clock)
    with store.write() as tx:
        assert queue.release(tx, run, owner="me")
    [back] = all_runs(store, "j")
    assert (back.state, back.attempt, back.lease_owner, back.started_at) == (RunState.QUEUED, 0, None, None)
    with store.read() as tx:
        assert history.attempts_of(tx, run.id) == []
    assert claimed(store, clock).attempt == 1


# -- overlap: what an occurrence does while its job is busy


def minutely(store: Store, clock: ManualClock, overlap: str, minutes: int = 1) -> None:
    """Define a job that fires every minute and let so many occurrences become due."""
    define(store, clock, "j", overlap=overlap)
    for _ in range(minutes):
        with store.write() as tx:
            job = registry.job(tx, "j")
            assert job
            ledger.fill(tx, [job], now=clock.now())
        clock.move(minutes=1)


def next_minute(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        job = registry.job(tx, "j")
        assert job
        ledger.fill(tx, [job], now=clock.now())
    clock.move(minutes=1)


def test_skip_records_the_occurrence_with_the_run_it_met(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "skip")
    running = claimed(store, clock)
    next_minute(store, clock)
    assert claim(store, clock) is None
    assert states(store, "j")[:2] == ["running", "skipped"]
    assert all_runs(store, "j")[1].reason == f"overlap: run {running.id} was not over"


def test_skip_is_decided_by_the_time_it_was_due_not_by_when_a_worker_was_free(
    store: Store, clock: ManualClock
) -> None:
    minutely(store, clock, "skip")
    running = claimed(store, clock)
    next_minute(store, clock)
    finish(store, clock, running)  # over, but it was not over when the next one was due
    assert claim(store, clock) is None
    assert states(store, "j")[:2] == ["succeeded", "skipped"]


def test_a_run_whose_owner_was_gone_does_not_count_as_running(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "skip")
    lost = claimed(store, clock, "dead")
    next_minute(store, clock)
    finish(
        store, clock, lost, Verdict(Outcome.INTERRUPTED, "its runner is gone", "interrupted"), owner="dead"
    )
    following = claimed(store, clock)
    assert following.fire_at is not None
    assert lost.fire_at is not None
    assert following.fire_at > lost.fire_at


def test_times_are_stored_in_one_form(store: Store, clock: ManualClock) -> None:
    from sqlalchemy import text

    minutely(store, clock, "skip")
    finish(store, clock, claimed(store, clock))
    with store.read() as tx:
        row = tx.execute(
            text(
                "SELECT fire_at, due_at, created_at, started_at, finished_at"
                " FROM job_queue WHERE state = 'succeeded'"
            )
        ).first()
    assert row
    if store.sqlite:
        assert all(len(value) == 27 and value.endswith("Z") and "T" in value for value in row)


def test_an_occurrence_does_not_start_beside_a_run_that_runs_again_after_its_owner_was_gone(
    store: Store, clock: ManualClock
) -> None:
    minutely(store, clock, "skip")
    lost = claimed(store, clock, "dead")
    finish(
        store,
        clock,
        lost,
        Verdict(Outcome.INTERRUPTED, "its runner is gone", "interrupted"),
        owner="dead",
        retry_in=1,
    )
    clock.move(seconds=2)
    assert claimed(store, clock).id == lost.id
    next_minute(store, clock)
    assert claim(store, clock) is None
    assert states(store, "j")[:2] == ["running", "skipped"]


def test_an_occurrence_that_was_queued_late_waits_for_a_run_that_was_due_after_it(
    store: Store, clock: ManualClock
) -> None:
    job = define(store, clock, "j", "0 0 1 1 *")
    clock.move(seconds=50)
    trigger(store, clock, "j")
    running = claimed(store, clock)
    row = {
        "id": new_run_id(),
        "job_id": job.id,
        "state": RunState.QUEUED,
        "origin": Origin.SCHEDULE,
        "max_attempts": 3,
    }
    due = clock.now() - timedelta(seconds=20)
    with store.write() as tx:
        enqueue.put(tx, [row | {"created_at": clock.now(), "due_at": due, "fire_at": due}])
    assert claim(store, clock) is None
    finish(store, clock, running)
    assert claimed(store, clock).id == row["id"]


def test_a_trigger_under_skip_waits_its_turn(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "skip")
    running = claimed(store, clock)
    waiting = trigger(store, clock, "j")
    assert claim(store, clock) is None
    finish(store, clock, running)
    assert claimed(store, clock).id == waiting


def test_two_triggers_in_one_second_are_two_runs_one_after_the_other(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    ids = [trigger(store, clock, "j"), trigger(store, clock, "j")]
    first = claimed(store, clock)
    assert claim(store, clock) is None
    finish(store, clock, first)
    assert {first.id, claimed(store, clock).id} == set(ids)


def test_force_starts_beside_a_running_run(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    claimed(store, clock)
    forced = trigger(store, clock, "j", force=True)
    assert claimed(store, clock).id == forced


def test_queue_lets_occurrences_wait_and_runs_them_all_in_order(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "queue", minutes=3)
    order = []
    for _ in range(3):
        run = claimed(store, clock)
        assert claim(store, clock) is None
        order.append(run.id)
        finish(store, clock, run)
    assert order == [run.id for run in all_runs(store, "j")][:3]
    assert states(store, "j")[:3] == ["succeeded"] * 3


def test_allow_starts_occurrences_beside_each_other(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "allow", minutes=2)
    assert claimed(store, clock).fire_at != claimed(store, clock).fire_at


def test_replace_stops_the_running_run_and_starts_when_it_is_gone(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "replace")
    running = claimed(store, clock)
    next_minute(store, clock)
    with store.write() as tx:
        asked = claims.claim(tx, owner="me", now=clock.now())
    assert (asked.run, asked.cancelled) == (None, (running.id,))
    assert claim(store, clock) is None
    finish(store, clock, running, Verdict(Outcome.CANCELLED))
    successor = claimed(store, clock)
    assert successor.fire_at is not None
    assert running.fire_at is not None
    assert successor.fire_at == running.fire_at + timedelta(minutes=1)
    stopped = all_runs(store, "j")[0]
    assert (stopped.state, stopped.cancel_reason) == (RunState.CANCELLED, f"replaced by run {successor.id}")


def test_replace_runs_only_the_newest_of_several_due(store: Store, clock: ManualClock) -> None:
    minutely(store, clock, "replace", minutes=3)
    newest = claimed(store, clock)
    assert [run.state for run in all_runs(store, "j")][:3] == ["skipped", "skipped", "running"]
    assert all_runs(store, "j")[0].reason.startswith("overlap: replaced by run ")  # type: ignore[union-attr]
    assert newest.fire_at == all_runs(store, "j")[2].fire_at


def test_a_run_in_backoff_does_not_block_the_next_occurrence_and_is_superseded(
    store: Store, clock: ManualClock
) -> None:
    minutely(store, clock, "skip")
    failed = claimed(store, clock)
    finish(store, clock, failed, Verdict(Outcome.FAILED, "boom"), retry_in=600)
    next_minute(store, clock)
    successor = claimed(store, clock)
    former = all_runs(store, "j")[0]
    assert (former.state, former.error_type) == (RunState.FAILED, "superseded")
    assert former.error == f"boom; not tried again: superseded by run {successor.id}"


def test_a_triggered_run_in_backoff_is_not_superseded(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    finish(store, clock, claimed(store, clock), Verdict(Outcome.FAILED), retry_in=600)
    define(store, clock, "j", "* * * * *")
    clock.move(minutes=1)
    assert claimed(store, clock).origin is Origin.SCHEDULE
    assert RunState.QUEUED in states(store, "j")


# -- switches decided at due time


def test_an_occurrence_of_a_job_disabled_meanwhile_is_skipped_with_the_reason(
    store: Store, clock: ManualClock
) -> None:
    job = define(store, clock, "j")
    with store.write() as tx:
        ledger.switch(tx, job, enabled=False, at=clock.now(), now=clock.now())
    clock.move(minutes=1)
    assert claim(store, clock) is None
    run = all_runs(store, "j")[0]
    assert (run.state, run.reason) == (RunState.SKIPPED, "disabled")


def test_a_decision_keeps_the_reason_that_a_run_was_born_with(store: Store, clock: ManualClock) -> None:
    births = {"off": "of a move", "rejected": "of another", "gone": "of a third"}
    for job_id, birth in births.items():
        job = define(store, clock, job_id)
        with store.write() as tx:
            tx.execute(update(job_queue).where(job_queue.c.job_id == job_id).values(reason=birth))
            if job_id == "off":
                ledger.switch(tx, job, enabled=False, at=clock.now(), now=clock.now())
            elif job_id == "rejected":
                ledger.reject(tx, job, "bad cron", now=clock.now())
            else:
                ledger.retire(tx, job, now=clock.now())
    clock.move(minutes=1)
    assert claim(store, clock) is None
    assert {job_id: all_runs(store, job_id)[0].reason for job_id in births} == {
        "off": "disabled; of a move",
        "rejected": "definition rejected; of another",
        "gone": "the job was removed; of a third",
    }


def test_a_trigger_acknowledged_before_the_switch_still_runs(store: Store, clock: ManualClock) -> None:
    job = define(store, clock, "j", "0 0 1 1 *")
    asked = trigger(store, clock, "j")
    with store.write() as tx:
        ledger.switch(tx, job, enabled=False, at=clock.now(), now=clock.now())
    assert claimed(store, clock).id == asked


def test_an_occurrence_of_a_rejected_definition_is_missed(store: Store, clock: ManualClock) -> None:
    job = define(store, clock, "j")
    with store.write() as tx:
        ledger.reject(tx, job, "bad cron", now=clock.now())
    clock.move(minutes=1)
    assert claim(store, clock) is None
    run = all_runs(store, "j")[0]
    assert (run.state, run.reason) == (RunState.MISSED, "definition rejected")


# -- cancelling and the tables' own word


def test_cancelling_a_queued_run_ends_it_and_a_running_one_is_asked_to_stop(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    running = trigger(store, clock, "j")
    claimed(store, clock)
    queued = trigger(store, clock, "j")
    with store.write() as tx:
        assert queue.request_cancel(tx, queued, why="enough", now=clock.now()) is RunState.QUEUED  # type: ignore[arg-type]
        assert queue.request_cancel(tx, running, why="enough", now=clock.now()) is RunState.RUNNING  # type: ignore[arg-type]
        assert queue.request_cancel(tx, queued, why="again", now=clock.now()) is None  # type: ignore[arg-type]
    with store.read() as tx:
        assert [lease.cancel_reason for lease in leases.running(tx)] == ["enough"]


def test_a_lease_that_beats_is_renewed_and_one_lost_is_not_answered(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    trigger(store, clock, "j")
    run = claimed(store, clock)
    with store.write() as tx:
        assert [lease.beat for lease in leases.heartbeat(tx, [run.id], owner="me", now=clock.now())] == [1]
        assert leases.heartbeat(tx, [run.id], owner="other", now=clock.now()) == []
    finish(store, clock, run)
    with store.write() as tx:
        assert leases.heartbeat(tx, [run.id], owner="me", now=clock.now()) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "running"},  # without an owner
        {"state": "succeeded"},  # without an end
        {"state": "unheard-of"},
        {"max_attempts": 0},
    ],
)
def test_the_tables_refuse_a_run_that_cannot_be(
    store: Store, clock: ManualClock, columns: dict[str, object]
) -> None:
    from sqlalchemy import insert

    from chalicelib.store.schema import job_queue

    row = {"id": "x", "job_id": "j", "state": "queued", "origin": "trigger", "max_attempts": 1}
    row |= {"due_at": clock.now(), "created_at": clock.now()} | columns
    with pytest.raises(IntegrityError), store.write() as tx:
        tx.execute(insert(job_queue), row)


def test_pruning_by_age_takes_attempts_and_logs_along_and_moves_the_ledgers_beginning(
    store: Store, clock: ManualClock
) -> None:
    from chalicelib.store import log_chunks

    minutely(store, clock, "allow", minutes=3)
    ids = []
    for _ in range(3):
        run = claimed(store, clock)
        ids.append(run.id)
        with store.write() as tx:
            log_chunks.append(tx, run.id, 1, ["hello"], now=clock.now())
        finish(store, clock, run)
        clock.move(seconds=1)
    with store.write() as tx:
        assert run_pruning.prune(tx, before=clock.now() - timedelta(seconds=1), most=2) == 2
        left = [run for run in history.runs(tx, job_id="j") if run.state in EXECUTED]
        assert [run.id for run in left] == [ids[2]]
        assert log_chunks.read(tx, ids[0]) == []
        assert history.attempts_of(tx, ids[0]) == []
        assert periods.ledger_from(tx, "j") < left[0].fire_at  # type: ignore[operator]


def test_pruning_by_number_keeps_the_newest_of_a_job(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    ids = []
    for _ in range(6):
        trigger(store, clock, "j")
        run = claimed(store, clock)
        clock.move(seconds=1)
        finish(store, clock, run)
        ids.append(run.id)
    with store.write() as tx:
        assert run_pruning.crowded_jobs(tx, keep=4) == ["j"]
        assert run_pruning.prune_job(tx, "j", keep=4, most=100) == 2
        assert {run.id for run in history.runs(tx, job_id="j")} == set(ids[2:])


def test_the_last_run_of_each_job_is_the_one_that_started_last_and_one_statement_finds_them_all(
    store: Store, clock: ManualClock
) -> None:
    for name in ("twice", "waits", "never"):
        define(store, clock, name, "0 0 1 1 *", overlap="allow")
    trigger(store, clock, "twice")
    finish(store, clock, claimed(store, clock))
    clock.move(seconds=1)
    newest = trigger(store, clock, "twice")
    claimed(store, clock)
    clock.move(seconds=1)
    trigger(store, clock, "twice")
    trigger(store, clock, "waits")
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    with store.read() as tx:
        found = history.last_runs(tx, ["twice", "waits", "never", "unknown"])
        assert history.last_runs(tx, []) == {}
    assert {job_id: (run.id, run.state) for job_id, run in found.items()} == {
        "twice": (newest, RunState.RUNNING)
    }
    assert len([statement for statement in asked if "job_queue" in statement]) == 1
