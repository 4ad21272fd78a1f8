"""A long queue of one job on Lambda: each run's function sends the message that starts the next one.

The queue is moto's, the jobs are real processes. What Lambda adds is played here: a message that was sent by
a function is one step further in its chain, and the detection of recursive loops, where it is on, drops what
is too far into the dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chalicelib.operations.operations import TriggerRequest
from chalicelib.runtime import lambda_worker
from chalicelib.wiring import Sauron
from sauron.aws import limits
from tests import aws_server
from tests.conftest import ManualClock
from tests.on_queue import sauron_on_queue

pytestmark = [pytest.mark.process, pytest.mark.slow]
STOPPED_AFTER = 16  # steps of one chain, by Lambda's detection
MANIFEST = """
from pathlib import Path
from pydantic import BaseModel
from sauron_jobs_loader import JobConfig, job_registry
class Params(BaseModel):
    number: int = 0
    file: str = "/dev/null"
def note(ctx):
    with Path(ctx.params.file).open("a") as file:
        print(ctx.params.number, file=file)
job_registry.register(JobConfig(id="note", cron="0 0 1 1 *", func=note, params=Params, overlap="queue"))
"""


@dataclass
class Queue:
    """The event source of `work`, which invokes one function at a time."""

    client: Any
    url: str
    dead_url: str
    loops: str
    steps: dict[str, int] = field(default_factory=dict)  # of each message in its chain

    def drain(self, sauron: Sauron) -> int:
        """Hand over every message until there is none; return how many there were."""
        served = 0
        while found := self.client.receive_message(QueueUrl=self.url).get("Messages"):
            [message] = found
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            step = self.steps.get(message["Body"], 1)
            if self.loops != "Allow" and step > STOPPED_AFTER:
                self.client.send_message(QueueUrl=self.dead_url, MessageBody=message["Body"])
                continue
            before = set(self.steps)
            lambda_worker.work(sauron, message["Body"], left_seconds=lambda: 900.0)
            self._note(before, step)
            served += 1
        return served

    def _note(self, before: set[str], step: int) -> None:
        """Note the step of what the function sent, without taking it."""
        for sent in set(self._bodies()) - before:
            self.steps[sent] = step + 1

    def _bodies(self) -> list[str]:
        found = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [one["Body"] for one in found.get("Messages", [])]

    def dead(self) -> list[str]:
        """Return what was given up."""
        found = self.client.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10)
        return [one["Body"] for one in found.get("Messages", [])]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws_server.Aws]:
    running = aws_server.start()
    for name, value in running.environ.items():
        monkeypatch.setenv(name, value)
    yield running
    running.close()


def stage(
    aws: aws_server.Aws, folder: Path, empty_store: Path, clock: ManualClock, loops: str
) -> tuple[Sauron, Queue]:
    import boto3

    client = boto3.client("sqs")
    dead = client.create_queue(QueueName="runs-dead")["QueueUrl"]
    queue = Queue(client, client.create_queue(QueueName="runs")["QueueUrl"], dead, loops)
    return sauron_on_queue(folder, empty_store, clock, MANIFEST, queue.url), queue


@pytest.mark.parametrize(
    ("loops", "triggers", "done"),
    [
        (limits.LOOPS, 40, 40),
        pytest.param(limits.LOOPS, 500, 500, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
        ("Terminate", STOPPED_AFTER + 4, STOPPED_AFTER),  # what would be without the setting
    ],
)
def test_every_trigger_of_one_job_runs_in_order_unless_lambda_stops_the_chain(
    aws: aws_server.Aws,
    tmp_path: Path,
    empty_store: Path,
    clock: ManualClock,
    loops: str,
    triggers: int,
    done: int,
) -> None:
    file = tmp_path / "numbers"
    sauron, queue = stage(aws, tmp_path, empty_store, clock, loops)
    try:
        for number in range(triggers):
            params = {"number": number, "file": str(file)}
            sauron.operations.trigger("note", TriggerRequest(params=params))
        assert queue.drain(sauron) == done
        assert [int(line) for line in file.read_text().split()] == list(range(done))
        assert len(queue.dead()) == (0 if done == triggers else 1)
    finally:
        sauron.close()
