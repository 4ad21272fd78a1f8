"""An attempt's end and the next claim are one act, whether they are sent at once or one after the other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from chalicelib.model.runs import Outcome, Run, RunState, Verdict
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.store import Store, bundle, history, log_chunks, outbox
from chalicelib.store.database import Tx
from chalicelib.store.postgres import engine
from chalicelib.store.queue import claims, enqueue, finish
from chalicelib.store.schema import job_queue
from chalicelib.wakeup.vitals import Vitals
from tests.conftest import ManualClock, define, observed

pytestmark = pytest.mark.every_store

BROKE = Verdict(Outcome.FAILED, "it \x00 broke", "ValueError", {"summary": "half \ud800 done"}, exit_code=3)


@pytest.fixture(params=["at once", "in turn"])
def flush(request: pytest.FixtureRequest) -> Callable[[Tx], None] | None:
    """What makes PostgreSQL go one way or the other; SQLite has one way."""
    return None if request.param == "at once" else lambda _tx: None


def claimed(store: Store, clock: ManualClock, job_id: str = "j", **fields: Any) -> Run:
    define(store, clock, job_id, "0 0 1 1 *", tags=["ops", "\U0001f600"], project="hub", **fields)
    Operations(store, clock).trigger(job_id)
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        run = claims.claim(tx, owner="me", now=clock.now()).run
    assert run
    clock.move(seconds=1.5)
    return run


def end(store: Store, clock: ManualClock, run: Run, verdict: Verdict, **more: Any) -> finish.AttemptEnd:
    spec = define(
        store, clock, run.job_id, "0 0 1 1 *", tags=["ops", "\U0001f600"], project="hub", overlap="allow"
    ).spec
    given: dict[str, Any] = {
        "owner": "me",
        "now": clock.now(),
        "retry_at": None,
        "publish": True,
        "tail": "the last\n",
    } | more
    return finish.AttemptEnd(run, spec, verdict, **given)


def told(store: Store) -> list[dict[str, Any]]:
    with store.read() as tx:
        return [entry.facts for entry in outbox.waiting(tx, 10) if entry.facts]


def state(store: Store, run: Run) -> RunState:
    with store.read() as tx:
        found = history.run(tx, run.id)
    assert found
    return found.state


def test_a_claim_reads_columns_by_their_names_whatever_their_order_in_the_table(
    store: Store, clock: ManualClock
) -> None:
    with store.write() as tx:
        tx.exec_driver_sql("ALTER TABLE job_queue DROP COLUMN reason")
        tx.exec_driver_sql("ALTER TABLE job_queue ADD COLUMN reason VARCHAR")
    define(store, clock, "j", "0 0 1 1 *", overlap="allow")
    made = Operations(store, clock).trigger("j", TriggerRequest(reason="to see", by="anna"))
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        run = claims.claim(tx, owner="me", now=clock.now()).run
    assert run
    assert (run.id, run.state, run.reason, run.requested_by) == (made.id, RunState.RUNNING, "to see", "anna")


def test_what_life_hub_is_told_does_not_depend_on_the_way(
    store: Store, clock: ManualClock, flush: Callable[[Tx], None] | None
) -> None:
    run = claimed(store, clock, overlap="allow")
    with store.write() as tx:
        log_chunks.append(tx, run.id, 1, ["the last\n"], now=clock.now())
    done = finish.finish_and_claim(store, end(store, clock, run, BROKE), flush=flush, claim=False)
    assert done.recorded
    [facts] = told(store)
    times = {name: facts.pop(name) for name in ("started_at", "ended_at", "loaded_at")}
    assert datetime.fromisoformat(times["ended_at"]) - datetime.fromisoformat(
        times["started_at"]
    ) == timedelta(seconds=1.5)
    assert datetime.fromisoformat(times["ended_at"]) == clock.now()
    assert facts == {
        "run_id": run.id,
        "attempt": 1,
        "job_id": "j",
        "outcome": "failed",
        "exit_code": 3,
        "error": "it \ufffd broke",
        "error_type": "ValueError",
        "summary": "half ? done",
        "origin": "trigger",
        "revision": "a" * 40,
        "source": "bundle",
        "tags": ["ops", "\U0001f600"],
        "project": "hub",
        "entrypoint": "jobs.sample:run",
        "stdout_tail": "the last\n",
    }


def test_a_run_cancelled_while_it_failed_is_over_and_life_hub_hears_so(
    store: Store, clock: ManualClock, flush: Callable[[Tx], None] | None
) -> None:
    run = claimed(store, clock, overlap="allow")
    with store.write() as tx:
        finish.request_cancel(tx, run.id, why="cancelled by ann", now=clock.now())
    failed = end(store, clock, run, BROKE, retry_at=clock.now() + timedelta(minutes=1))
    assert finish.finish_and_claim(store, failed, flush=flush, claim=False).recorded
    assert state(store, run) is RunState.CANCELLED
    [facts] = told(store)
    assert (facts["outcome"], facts["error"], facts["error_type"]) == (
        "cancelled",
        "cancelled by ann",
        "cancelled",
    )


def test_who_lost_the_lease_records_and_tells_nothing_but_may_claim(
    store: Store, clock: ManualClock, flush: Callable[[Tx], None] | None
) -> None:
    run = claimed(store, clock, overlap="allow")
    with store.write() as tx:
        tx.execute(
            update(job_queue).where(job_queue.c.id == run.id).values(lease_owner="other", lease_generation=9)
        )
    second = Operations(store, clock).trigger("j")
    done = finish.finish_and_claim(store, end(store, clock, run, BROKE), flush=flush, claim=True)
    assert not done.recorded
    assert done.claim.run
    assert done.claim.run.id == second.id
    assert state(store, run) is RunState.RUNNING
    assert told(store) == []


@pytest.mark.parametrize("guess", ["allow", "skip"])
def test_the_job_that_ends_is_free_for_its_next_run_whatever_was_guessed(
    store: Store, clock: ManualClock, flush: Callable[[Tx], None] | None, guess: str
) -> None:
    run = claimed(store, clock, "alone", overlap="skip")
    second = Operations(store, clock).trigger("alone")
    clock.move(seconds=1)
    third = Operations(store, clock).trigger("alone")
    spec = define(store, clock, "spec", "0 0 1 1 *", overlap=guess).spec
    for following in (second, third):
        now = clock.move(seconds=1)
        ended = finish.AttemptEnd(
            run, spec, Verdict(Outcome.SUCCEEDED), "me", now, None, publish=False, tail=""
        )
        done = finish.finish_and_claim(store, ended, flush=flush, claim=True)
        assert done.recorded
        assert done.claim.run
        run = done.claim.run
        assert (run.id, run.attempt, run.lease_owner) == (following.id, 1, "me")


def test_an_occurrence_that_policy_drops_is_decided_about_in_the_same_call(
    store: Store, clock: ManualClock, flush: Callable[[Tx], None] | None
) -> None:
    run = claimed(store, clock, "alone", overlap="skip")
    row = {
        "id": "due-while-it-ran",
        "job_id": "alone",
        "state": "queued",
        "origin": "schedule",
        "max_attempts": 1,
    }
    with store.write() as tx:
        enqueue.put(tx, [row | {"created_at": clock.now(), "fire_at": clock.now(), "due_at": clock.now()}])
    now = clock.move(seconds=1)
    ended = finish.AttemptEnd(run, None, Verdict(Outcome.SUCCEEDED), "me", now, None, publish=False, tail="")
    done = finish.finish_and_claim(store, ended, flush=flush, claim=True)
    assert done.recorded
    assert done.claim.run is None
    assert [(one.run_id, one.state) for one in done.claim.decided] == [("due-while-it-ran", RunState.SKIPPED)]


def test_an_end_that_fails_leaves_neither_end_nor_claim(store: Store, clock: ManualClock) -> None:
    if store.sqlite:
        return
    run = claimed(store, clock, overlap="allow")
    second = Operations(store, clock).trigger("j")
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE outbox ADD CONSTRAINT none CHECK (kind <> 'attempt')"))
    with pytest.raises(DBAPIError, match="none"):
        finish.finish_and_claim(store, end(store, clock, run, BROKE), flush=None, claim=True)
    with store.read() as tx:
        states = {row.id: row.state for row in tx.execute(select(job_queue.c.id, job_queue.c.state))}
    assert states == {run.id: "running", second.id: "queued"}
    with store.engine.connect() as connection:  # the connection came back as it was
        assert not connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]


def test_a_victim_of_a_deadlock_is_done_again(store: Store) -> None:
    if store.sqlite:
        return
    meeting, tries = threading.Barrier(2), []

    def lock(*order: int) -> None:
        def act(tx: Tx) -> None:
            tries.append(order)
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": order[0]})
            if tries.count(order) == 1:
                meeting.wait(60)
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": order[1]})

        store.writing(act)

    threads = [threading.Thread(target=lock, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(tries) == 3


def test_a_connection_that_is_gone_is_not_given_out_again(store: Store) -> None:
    if store.sqlite:
        return
    address = store.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def ask_after_its_end() -> None:
        with engine.direct(store.engine) as connection, psycopg.connect(address) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
            connection.execute("SELECT 1")

    with pytest.raises(DBAPIError):
        ask_after_its_end()
    with engine.direct(store.engine) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_only_what_stays_so_ends_the_patience_with_a_server() -> None:
    def refused(reason: str) -> int:
        tried: list[None] = []

        def take() -> None:
            tried.append(None)
            if len(tried) < 3:
                raise OperationalError("", {}, psycopg.OperationalError(reason))

        with contextlib.suppress(OperationalError):
            engine.connect(take)
        return len(tried)

    assert refused("SSL SYSCALL error: EOF detected") == 3  # a restart, seen over TLS
    assert refused("connection refused") == 3
    assert refused("server does not support SSL, but SSL was required") == 1
    assert refused("SSL error: certificate verify failed") == 1
    assert refused('password authentication failed for user "x"') == 1


def test_an_end_is_a_write_that_worked(
    store: Store, clock: ManualClock, flush: Callable[[Tx], None] | None
) -> None:
    ended = end(store, clock, claimed(store, clock), BROKE)
    vitals = Vitals(clock)
    with observed(store, vitals) as watched:
        assert finish.finish_and_claim(watched, ended, flush=flush, claim=True).recorded
    assert vitals.signs()["write"].age_seconds == 0
