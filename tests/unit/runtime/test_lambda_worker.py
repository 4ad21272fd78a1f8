"""Work by messages: AWS's queue is moto's server, the job is a real process."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from chalicelib.aws.dispatch import IN_FLIGHT, Dispatcher
from chalicelib.duties.duties import STUCK
from chalicelib.model.runs import RunState
from chalicelib.operations.operations import Operations
from chalicelib.runtime import lambda_worker
from chalicelib.settings import Settings
from chalicelib.store import history
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims, finish, in_flight
from chalicelib.wakeup.sqs import SqsWakeUp
from chalicelib.wakeup.waker import Waker
from chalicelib.wiring import LAMBDA, Sauron
from chalicelib.wiring import build as build_sauron
from tests.conftest import ManualClock, define
from tests.on_queue import sauron_on_queue

pytestmark = pytest.mark.process

MANIFEST = """
import time
from sauron_jobs_loader import JobConfig, job_registry
def ok(): print("done")
def endless(): time.sleep(600)
job_registry.register(JobConfig(id="ok", cron="0 0 1 1 *", func=ok, retry_backoff_seconds=0, overlap="queue"))
def fails(): raise ValueError("no")
twice = {"max_attempts": 2, "retry_backoff_seconds": 5}
job_registry.register(JobConfig(id="fails", cron="0 0 1 1 *", func=fails, **twice))
job_registry.register(JobConfig(id="many", cron="0 0 1 1 *", func=ok, overlap="allow"))
job_registry.register(JobConfig(id="endless", cron="0 0 1 1 *", func=endless, max_attempts=1))
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def sqs(aws: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": aws,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("sqs")
    for name in ("runs", "runs-dead"):
        client.create_queue(QueueName=name)
    yield client
    for name in ("runs", "runs-dead"):
        client.delete_queue(QueueUrl=address(client, name))


def address(sqs: Any, name: str = "runs") -> str:
    return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])


@pytest.fixture
def sauron(sqs: Any, tmp_path: Path, clock: ManualClock, empty_store: Path) -> Iterator[Sauron]:
    made = sauron_on_queue(tmp_path, empty_store, clock, MANIFEST, address(sqs))
    yield made
    made.close()


def messages(sqs: Any, name: str = "runs") -> list[str]:
    """Take every message there is and return their bodies."""
    bodies: list[str] = []
    while found := sqs.receive_message(QueueUrl=address(sqs, name), MaxNumberOfMessages=10).get("Messages"):
        for one in found:
            sqs.delete_message(QueueUrl=address(sqs, name), ReceiptHandle=one["ReceiptHandle"])
            bodies.append(one["Body"])
    return bodies


def work(sauron: Sauron, body: str, left: float = 900) -> None:
    lambda_worker.work(sauron, body, left_seconds=lambda: left)


def state(sauron: Sauron, run_id: str) -> RunState:
    with sauron.store.read() as tx:
        found = history.run(tx, run_id)
    assert found
    return found.state


def body_of(run_id: str) -> str:
    return json.dumps({"run_id": run_id})


def test_a_trigger_sends_one_message_and_its_worker_executes_the_run(sauron: Sauron, sqs: Any) -> None:
    run = sauron.operations.trigger("ok")
    sauron.duties.tick()
    assert messages(sqs) == [body_of(run.id)]
    work(sauron, body_of(run.id))
    assert state(sauron, run.id) is RunState.SUCCEEDED


def test_a_message_that_comes_again_and_again_executes_nothing_twice(sauron: Sauron) -> None:
    run = sauron.operations.trigger("ok")
    for _ in range(10):
        work(sauron, body_of(run.id))
    with sauron.store.read() as tx:
        assert len(history.attempts_of(tx, run.id)) == 1


def test_a_message_that_says_nothing_is_done_with_and_does_no_harm(sauron: Sauron) -> None:
    for body in ("", "{}", "[]", "null", '{"run_id": 5}', "\x00", '{"run_id": "of-another-stage"}'):
        run = sauron.operations.trigger("ok")
        work(sauron, body)
        # something was due, and that is all a message says
        assert state(sauron, run.id) is RunState.SUCCEEDED, body


def test_a_message_that_was_lost_is_sent_again_by_a_tick(
    sauron: Sauron, sqs: Any, clock: ManualClock
) -> None:
    run = sauron.operations.trigger("ok")
    assert messages(sqs) == [body_of(run.id)]
    clock.move(seconds=IN_FLIGHT.total_seconds() - 1)
    sauron.duties.tick()
    assert messages(sqs) == []
    clock.move(seconds=1)
    sauron.duties.tick()
    assert messages(sqs) == [body_of(run.id)]


def test_a_run_that_waits_its_turn_is_sent_for_when_the_one_before_it_ends(sauron: Sauron, sqs: Any) -> None:
    first, second = sauron.operations.trigger("ok"), sauron.operations.trigger("ok")
    with sauron.store.write() as tx:
        running = claims.claim(tx, owner="elsewhere", now=sauron.clock.now()).run
    assert running is not None
    assert running.id == first.id
    messages(sqs)
    work(sauron, body_of(second.id))
    assert messages(sqs) == []  # it would find the first one running, again and again
    with sauron.store.write() as tx:
        _end(tx, sauron, first.id)
    sauron.duties.tick()
    assert messages(sqs) == [body_of(second.id)]


def test_a_run_that_is_tried_again_is_sent_for_at_once(sauron: Sauron, sqs: Any) -> None:
    run = sauron.operations.trigger("fails")
    assert messages(sqs) == [body_of(run.id)]
    work(sauron, body_of(run.id))
    assert state(sauron, run.id) is RunState.QUEUED
    url = address(sqs)
    waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])[
        "Attributes"
    ]
    assert waiting == {"ApproximateNumberOfMessagesDelayed": "1"}  # held back until the retry is due


def _end(tx: Tx, sauron: Sauron, run_id: str) -> None:
    run = history.run(tx, run_id)
    assert run is not None
    finish.release(tx, run, owner="elsewhere")
    assert finish.request_cancel(tx, run.id, why="enough", now=sauron.clock.now()) is RunState.QUEUED


def test_an_attempt_is_ended_before_the_function_is(sauron: Sauron) -> None:
    run = sauron.operations.trigger("endless")
    work(
        sauron,
        body_of(run.id),
        left=lambda_worker.RESERVE_SECONDS + sauron.settings.kill_grace.total_seconds() + 0.5,
    )
    assert state(sauron, run.id) is RunState.TIMED_OUT


def test_a_message_comes_when_its_run_is_due_and_never_later_than_sqs_can_delay(
    sauron: Sauron, sqs: Any, clock: ManualClock
) -> None:
    define(sauron.store, clock, "soon", "1 * * * *")
    clock.instant = clock.instant.replace(minute=0, second=1)
    sauron.duties.tick()
    queue_of = sqs.get_queue_attributes(QueueUrl=address(sqs), AttributeNames=["All"])["Attributes"]
    assert queue_of["ApproximateNumberOfMessagesDelayed"] == "1"
    assert messages(sqs) == []


def test_several_that_look_at_once_send_one_message_for_a_run(sauron: Sauron, sqs: Any) -> None:
    runs = {Operations(sauron.store, sauron.clock).trigger("many").id for _ in range(30)}
    dispatcher = Dispatcher(sauron.store, sauron.clock, address(sqs))
    with ThreadPoolExecutor(8) as pool:
        assert sum(asked.result() for asked in [pool.submit(dispatcher.dispatch) for _ in range(8)]) == 30
    assert sorted(messages(sqs)) == sorted(map(body_of, runs))


def test_what_waits_behind_another_run_of_its_job_is_not_sent_for_again_and_again(
    sauron: Sauron, sqs: Any
) -> None:
    runs = [Operations(sauron.store, sauron.clock).trigger("ok") for _ in range(20)]
    for _ in range(3):
        sauron.duties.tick()
    assert messages(sqs) == [body_of(runs[0].id)]


def test_an_end_whose_message_names_another_run_is_recorded_though_the_store_fails_then(
    sauron: Sauron,
) -> None:
    first, second = sauron.operations.trigger("many"), sauron.operations.trigger("many")

    class Away(SqsWakeUp):
        def message_unused(self, run_id: str) -> None:
            raise OperationalError("UPDATE", {"run": run_id}, Exception("away"))

    away = Away(Dispatcher(sauron.store, sauron.clock, "http://queue.test"), enabled=False)
    with pytest.raises(OperationalError):
        work(dataclasses.replace(sauron, sqs=away), body_of(second.id))
    assert state(sauron, first.id) is RunState.SUCCEEDED


def test_a_trigger_is_acknowledged_though_its_dispatch_cannot_be_noted(
    sauron: Sauron,
) -> None:
    class Away(Dispatcher):
        def dispatch(self) -> int:
            raise OperationalError("UPDATE", {}, Exception("away"))

    away = SqsWakeUp(Away(sauron.store, sauron.clock, "http://queue.test"), enabled=True)
    operations = Operations(sauron.store, sauron.clock, wake=Waker([away]).wake)
    assert state(sauron, operations.trigger("ok").id) is RunState.QUEUED


def test_workers_that_do_not_start_count_as_stopped(sauron: Sauron, clock: ManualClock) -> None:
    sauron.operations.trigger("ok")

    def stands() -> bool:
        with sauron.store.read() as tx:
            return in_flight.stuck(tx, since=clock.now() - STUCK)

    clock.move(seconds=STUCK.total_seconds())
    assert not stands()
    clock.move(seconds=1)
    assert stands()


def test_what_died_in_the_queue_is_sent_again(sauron: Sauron, sqs: Any) -> None:
    run = sauron.operations.trigger("ok")
    assert messages(sqs) == [body_of(run.id)]
    for body in (body_of(run.id), "rubbish", body_of("of-another-time")):
        sqs.send_message(QueueUrl=address(sqs, "runs-dead"), MessageBody=body)
    sauron.duties.upkeep()
    assert messages(sqs, "runs-dead") == []
    sauron.duties.tick()
    assert messages(sqs) == [body_of(run.id)]


def test_a_queue_that_is_away_loses_no_trigger(
    sauron: Sauron, sqs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    run = sauron.operations.trigger("ok")
    assert state(sauron, run.id) is RunState.QUEUED


def test_nothing_is_claimed_while_claiming_is_off(sqs: Any, tmp_path: Path, clock: ManualClock) -> None:
    known = {
        "JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3",
        "JOBS_DIR": f"{tmp_path}/jobs",
        "JOB_QUEUE_ENABLED": "0",
    }
    made = build_sauron(Settings.read(known), clock=clock, runtime=LAMBDA)
    define(made.store, clock, "ok", "0 0 1 1 *")
    run = Operations(made.store, clock).trigger("ok")
    work(made, body_of(run.id))
    assert state(made, run.id) is RunState.QUEUED
    made.close()


def test_hours_late_a_message_starts_what_is_due_then(sauron: Sauron, clock: ManualClock) -> None:
    run = sauron.operations.trigger("ok")
    clock.instant += timedelta(hours=3)
    work(sauron, body_of(run.id))
    assert state(sauron, run.id) is RunState.SUCCEEDED
