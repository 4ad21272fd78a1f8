"""A COMMIT that got no reply was made, though its caller saw an error: the next try must not do it twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, OperationalError

from chalicelib.execution.rescue import LEASE_SECONDS, ExpiryDetector, Rescuer
from chalicelib.execution.worker import Worker
from chalicelib.model.runs import Outcome, RunState, Verdict
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.store import Store, bundle, history, log_chunks, registry, schema
from chalicelib.store.queue import finish
from tests.conftest import Databases, ManualClock, define
from tests.faults.proxy import Proxy
from tests.life_hub import ask
from tests.unit.execution.test_worker import Launching

CLAIM, FINISH, INSERT = b"claimed AS", b"ended AS", b"INSERT INTO job_queue"
CLAIM_ALONE = b"current_setting"  # of a run whose job may run once at a time


@pytest.fixture
def proxy(databases: Databases) -> Iterator[Proxy]:
    made = urlsplit(databases.make())
    proxy = Proxy(Path(parse_qs(made.query)["host"][0]) / ".s.PGSQL.5432", made.path.strip("/"))
    yield proxy
    proxy.close()
    databases.drop(made.path.strip("/"))


@pytest.fixture
def robbed(proxy: Proxy, clock: ManualClock) -> Iterator[Store]:
    """A store behind the proxy, with a job that may run beside itself."""
    store = Store(proxy.url)
    define(store, clock, "j", "0 0 1 1 *", overlap="allow", max_attempts=1)
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
    yield store
    store.close()


@pytest.fixture
def worker(robbed: Store, clock: ManualClock) -> Worker:
    launching = Launching()
    launching.worker = Worker(robbed, clock, launching, owner="me", publish=True)
    return launching.worker


def test_an_end_that_was_recorded_is_not_recorded_again_nor_taken_for_another_owners(
    robbed: Store, proxy: Proxy, clock: ManualClock, worker: Worker
) -> None:
    asked = Operations(robbed, clock).trigger("j")
    [run], _ = worker.claim(1)
    proxy.swallow(FINISH)
    with structlog.testing.capture_logs() as told:
        assert worker.execute(run) is None
    assert proxy.robbed == 1
    assert [one["event"] for one in told] == ["run.finish_not_stored", "run.finished"]
    with robbed.read() as tx:
        after = history.run(tx, asked.id)
        assert "".join(chunk.text for chunk in log_chunks.read(tx, asked.id)) == "first\nsecond\n"
        assert tx.execute(select(func.count()).where(schema.outbox.c.kind == "attempt")).scalar() == 1
    assert after
    assert (after.state, after.attempt) == (RunState.SUCCEEDED, 1)


def test_a_claim_that_nobody_heard_of_goes_back_and_costs_no_attempt(
    robbed: Store, proxy: Proxy, clock: ManualClock, worker: Worker
) -> None:
    Operations(robbed, clock).trigger("j")
    proxy.swallow(CLAIM)
    with pytest.raises(OperationalError):
        worker.claim(1)
    assert proxy.robbed == 1
    [run], _ = worker.claim(1)
    assert run.attempt == 1
    worker.execute(run)
    with robbed.read() as tx:
        assert len(history.attempts_of(tx, run.id)) == 1


def test_a_claim_made_with_an_end_whose_answer_was_lost_goes_back_too(
    robbed: Store, proxy: Proxy, clock: ManualClock, worker: Worker
) -> None:
    asked = {Operations(robbed, clock).trigger("j").id for _ in range(2)}
    [run], _ = worker.claim(1)
    proxy.swallow(FINISH)
    assert worker.execute(run, claim_next=lambda: True) is None
    assert proxy.robbed == 1
    [following], _ = worker.claim(1)
    assert {run.id, following.id} == asked
    assert following.attempt == 1


def test_a_claim_after_an_end_whose_answer_was_lost_is_told_and_the_end_stays(
    robbed: Store, proxy: Proxy, clock: ManualClock, worker: Worker
) -> None:
    Operations(robbed, clock).trigger("j")
    [run], _ = worker.claim(1)
    define(robbed, clock, "alone", "0 0 1 1 *", overlap="queue")
    Operations(robbed, clock).trigger("alone")
    with robbed.read() as tx:
        job = registry.as_it_is(tx, "j")
    assert job
    ended = finish.AttemptEnd(
        run, job.spec, Verdict(Outcome.SUCCEEDED), "me", clock.now(), None, publish=False, tail=""
    )
    unconfirmed: list[datetime] = []
    proxy.swallow(CLAIM_ALONE)
    done = finish.finish_and_claim(robbed, ended, flush=None, claim=True, on_unconfirmed=unconfirmed.append)
    assert proxy.robbed == 1
    assert done == finish.Ended(recorded=True)
    assert unconfirmed == [ended.now]
    with robbed.read() as tx:
        assert (after := history.run(tx, run.id))
    assert after.state is RunState.SUCCEEDED


def test_a_trigger_whose_answer_was_lost_is_the_same_run_when_asked_again_with_its_key(
    robbed: Store, proxy: Proxy, clock: ManualClock
) -> None:
    proxy.swallow(INSERT)
    with pytest.raises(OperationalError):
        Operations(robbed, clock).trigger("j", TriggerRequest(idempotency_key="k"))
    assert proxy.robbed == 1
    run = Operations(robbed, clock).trigger("j", TriggerRequest(idempotency_key="k"))
    with robbed.read() as tx:
        assert [one.id for one in history.runs(tx, job_id="j")] == [run.id]


def _rescuer(store: Store, clock: ManualClock) -> Rescuer:
    return Rescuer(store, clock, ExpiryDetector(store, clock), owner="other", gone=lambda _owner: False)


def test_while_a_server_takes_no_writes_no_lease_is_held_to_have_lapsed(
    proxy: Proxy, robbed: Store, clock: ManualClock, worker: Worker
) -> None:
    """Its owner cannot renew it: the look that counts comes once it can."""
    Operations(robbed, clock).trigger("j")
    [run], _ = worker.claim(1)
    clock.move(seconds=LEASE_SECONDS)
    waited: list[float] = []
    ask(proxy.url, "CREATE ROLE reads_only")
    ask(proxy.url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reads_only")
    reading = Store(f"{proxy.url}&options=-c%20role%3Dreads_only")
    with pytest.raises(DBAPIError, match="permission denied"):
        _rescuer(reading, clock).rescue_dead(waited.append)
    reading.close()
    ask(proxy.url, "DROP OWNED BY reads_only")
    ask(proxy.url, "DROP ROLE reads_only")
    assert waited == []
    assert [one.id for one in _rescuer(robbed, clock).rescue_dead(waited.append)] == [run.id]
