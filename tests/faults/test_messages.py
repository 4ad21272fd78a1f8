"""SQS at its worst: repeated, reordered, late or garbled messages, and an environment killed mid-run.

Each environment is a process of its own that calls the handlers of `app` with the events Lambda gives; the
store is PostgreSQL.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.eventbridge import event
from chalicelib.settings import Settings
from chalicelib.wiring import LAMBDA
from chalicelib.wiring import build as build_sauron
from tests.e2e.outside import Repository, environ_of, wait_for
from tests.faults.conftest import Measured
from tests.faults.fleet import JOBS, MANIFEST
from tests.faults.witness import Witness
from tests.life_hub import Server, ask

pytestmark = pytest.mark.faults
ENVIRONMENT = """
import json, sys, traceback
from chalice.local import LambdaContext
from app import app
from chalicelib import logs

logs.configure()
for line in sys.stdin:
    name, event = json.loads(line)
    try:
        app.handler_map[name](event, LambdaContext(name, 1024, max_runtime_ms=900_000))
    except Exception:
        traceback.print_exc()
        print("failed", flush=True)
    else:
        print("done", flush=True)
"""
SEED = 7
GARBLED = ("", "not JSON", "{}", "[]", '{"run_id": 7}', '{"run_id": "no-such-run"}', "\ud83d\ude80" * 50)


def message(body: str, number: int) -> dict[str, Any]:
    """The event of one message that was sent three hours ago."""
    sent = str(int((time.time() - 3 * 3600) * 1000))
    attributes = {
        "ApproximateReceiveCount": "3",
        "SentTimestamp": sent,
        "SenderId": "A",
        "ApproximateFirstReceiveTimestamp": sent,
    }
    arn = "arn:aws:sqs:us-east-1:123456789012:sauron-dev-runs"
    record = {
        "messageId": f"m-{number}",
        "receiptHandle": "r",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
    }
    return {
        "Records": [
            record
            | {"md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "us-east-1"}
        ]
    }


class Environment:
    """One execution environment of Lambda: it takes an event at a time."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        folder.mkdir()
        self._log = (folder / "stderr.txt").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENVIRONMENT], cwd=folder, env=environ | {"JOBS_DIR": str(folder / "jobs")},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def call(self, name: str, given: dict[str, Any]) -> str:
        """Hand an event to a handler; answer "done", "failed", or nothing if the environment died."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps([name, given]) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


class Stage:
    """A store, whoever triggers, and environments."""

    def __init__(self, url: str, repository: Repository, home: Path) -> None:
        repository.commit({"manifest.py": MANIFEST.replace("* * * * *", "0 0 1 1 *"), "jobs/work.py": JOBS})
        known = {"JOB_QUEUE_DB_URL": url, "JOBS_GIT_REPO_URL": str(repository.folder), "HOME": str(home)}
        self._environ = environ_of(**known, AWS_LAMBDA_FUNCTION_NAME="sauron-dev")
        self._home = home
        self.sauron = build_sauron(
            Settings.read(known | {"JOBS_DIR": str(home / "jobs"), "PATH": os.environ["PATH"]}),
            runtime=LAMBDA,
        )
        assert self.sauron.bundle.sync().success
        self.sauron.duties.tick()
        self.witness = Witness(url, home / "journal")
        self.environments: list[Environment] = []

    def environment(self) -> Environment:
        made = Environment(self._home / f"environment-{len(self.environments)}", self._environ)
        self.environments.append(made)
        return made

    def close(self) -> None:
        for one in self.environments:
            one.close()
        self.sauron.close()


@pytest.fixture
def stage(server: Server, repository: Repository, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(server.url(), repository, tmp_path)
    yield made
    made.close()


def test_messages_ten_times_each_in_any_order_hours_late_among_garbled_ones_execute_each_run_once(
    stage: Stage, measured: Measured
) -> None:
    """SQS sends 24 runs, ten messages each, in any order, three hours late, and 28 garbled ones."""
    asked = [stage.sauron.operations.trigger("note" if number % 3 else "alone").id for number in range(24)]
    bodies = [json.dumps({"run_id": run_id}) for run_id in asked] * 10 + list(GARBLED) * 4
    random.Random(SEED).shuffle(bodies)  # noqa: S311 - the same order each time
    answers: list[str] = []

    def poll(environment: Environment) -> None:
        while bodies:
            answers.append(environment.call("work", message(bodies.pop(), len(bodies))))

    began = time.monotonic()
    pollers = [threading.Thread(target=poll, args=(stage.environment(),)) for _ in range(4)]
    for one in pollers:
        one.start()
    for one in pollers:
        one.join(100)
    assert set(answers) == {"done"}  # nothing of it goes to the dead letters
    assert stage.witness.open() == 0
    figures = stage.witness.attest(asked)
    measured(f"{len(answers)} messages took {time.monotonic() - began:.1f} s; {figures}", seed=SEED)
    assert (figures.attempts, figures.executed_again) == (len(asked), 0)


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_run_whose_environment_was_killed_is_executed_again_after_its_lease(
    stage: Stage, measured: Measured
) -> None:
    """A Lambda environment is killed in the middle of a run."""
    run_id = stage.sauron.operations.trigger("lasting").id
    body = json.dumps({"run_id": run_id})
    killed, other = stage.environment(), stage.environment()
    lost = threading.Thread(target=killed.call, args=("work", message(body, 1)))
    lost.start()
    wait_for(stage.witness.noted, what="it executes", seconds=40)
    killed.process.send_signal(signal.SIGKILL)
    lost.join(20)
    at = time.monotonic()
    assert other.call("work", message(body, 1)) == "done"  # SQS tells it again; its lease still stands
    assert len(stage.witness.noted()) == 1

    def rescued() -> bool:
        assert other.call("upkeep", event("upkeep", stage.sauron.clock.now())) == "done"
        return ask(stage.witness.url, "SELECT state FROM job_queue WHERE id = %s", run_id) == [("queued",)]

    wait_for(rescued, what="upkeep takes it up", seconds=90)
    measured(f"upkeep took its run up after {time.monotonic() - at:.0f} s")

    def executed() -> bool:  # a message may come before its run is due, by the clocks of two environments
        assert other.call("work", message(body, 1)) == "done"
        return len(stage.witness.noted()) > 1

    wait_for(executed, what="it is executed again", seconds=60)
    figures = stage.witness.attest([run_id])
    measured(str(figures))
    assert [one.act for one in stage.witness.noted()] == ["start", "start", "end"]
