"""What AWS does around a stage's functions: API Gateway, EventBridge's clock, the queue's event source.

The queue and the parameters are moto's; the functions, routes and limits are those of the packaged SAM
template, and so are the functions' roles: a call that a role does not allow is refused. After `stop` nothing
is invoked and no environment is left; messages, parameters and the database stay, and `start` goes on.

Limits: a fixed number of messages are worked on at once; EventBridge's second tries are left out.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from pathlib import Path
from typing import Any

from sauron.aws.names import API, Names
from tests import aws_iam
from tests.aws_server import Aws
from tests.aws_stack import Stack
from tests.lambda_zip import Package
from tests.parity import events
from tests.parity.loopback import Handler, Server
from tests.parity.runtime_api import Lambda
from tests.parity.sandbox import ACCOUNT, REGION, Function

STAGE = "prod"
NAMES = Names(STAGE)
GATEWAY_SECONDS = 29.0
VISIBILITY_SECONDS, RECEIVED_MOST = 960, 5
CONCURRENCY = 32  # environments of `work` at once; an account has a thousand
POLL_SECONDS = 0.1


class Cloud:
    """One stage on a stand-in for AWS."""

    def __init__(
        self, aws: Aws, package: Package, home: Path, *, visibility_seconds: int = VISIBILITY_SECONDS
    ) -> None:
        """Make the queues; nothing runs yet."""
        self.aws = aws
        self.package = package
        self.api = events.Api.of(package.template)
        self.lambdas = Lambda(package, home)
        self._sqs = aws.client("sqs")
        self._ssm = aws.client("ssm")
        dead = self._sqs.create_queue(QueueName=f"sauron-{STAGE}-runs-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": queue_arn("runs-dead"), "maxReceiveCount": RECEIVED_MOST}
        attributes = {"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": json.dumps(redrive)}
        self.queue_url: str = self._sqs.create_queue(QueueName=f"sauron-{STAGE}-runs", Attributes=attributes)[
            "QueueUrl"
        ]
        self.dead_url: str = dead
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._front: Server | None = None
        self._requests = ThreadPoolExecutor(16, thread_name_prefix="gateway")
        self._fired = threading.Lock()
        self._judged: list[aws_iam.Judged] = []

    @property
    def url(self) -> str:
        """The address of the stage, as API Gateway has it: with the stage in the path."""
        assert self._front is not None, "it is not started"
        return f"http://{self._front.address}/{self.api.stage}"

    def start(self, environ: Mapping[str, str], secrets: Mapping[str, str], *, clock: bool = True) -> None:
        """Deploy the functions with variables and parameters and invoke them; `clock` fires each minute."""
        for name, value in secrets.items():
            self._ssm.put_parameter(
                Name=NAMES.parameter(name), Value=value, Type="SecureString", Overwrite=True
            )
        functions = self._functions(environ)
        roles = self._roles((dict(secrets) | dict(environ)).get("FROM_EMAIL", ""))
        self._judged = [aws_iam.judge(one.key, roles[one.name]) for one in functions]
        self.lambdas.deploy(functions)
        self._stopping = threading.Event()
        self._front = Server(_Front, cloud=self)
        loops = [("clock", self._clock)] if clock else []
        if self.function("work") in self.lambdas.functions:
            loops.append(("source", self._poll))
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops]
        for thread in self._threads:
            thread.start()

    def _functions(self, environ: Mapping[str, str]) -> list[Function]:
        found = []
        for resource, declared in self.package.template["Resources"].items():
            if declared["Type"] != "AWS::Serverless::Function":
                continue
            properties = declared["Properties"]
            handler = API if resource == "APIHandler" else resource.lower()
            name = NAMES.function(handler)
            written = properties["Environment"]["Variables"].items()
            constant = {name: value for name, value in written if isinstance(value, str)}
            secrets = {"SAURON_SSM_PATH": ",".join(NAMES.readable(handler))}
            variables = constant | secrets | self._own_environ() | dict(environ)
            found.append(
                Function(
                    name, properties["Handler"], properties["Timeout"], properties["MemorySize"], variables
                )
            )
        return found

    def _roles(self, sender: str) -> dict[str, list[dict[str, Any]]]:
        """What each function may do: the statements of its role in the template."""
        resources = self.package.template["Resources"]
        stack = Stack(self.aws, STAGE, self.package.template, {"Sender": sender})
        made = {}
        for resource, declared in resources.items():
            if declared["Type"] == "AWS::Serverless::Function":
                [policy] = resources[declared["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"][
                    "Policies"
                ]
                name = self.function("" if resource == "APIHandler" else resource.lower())
                made[name] = stack.resolved(policy["PolicyDocument"])["Statement"]
        return made

    @property
    def refused(self) -> list[aws_iam.Call]:
        """What functions were refused since they were started."""
        return [call for one in self._judged for call in one.refused]

    def _own_environ(self) -> dict[str, str]:
        return {
            "SAURON_SQS_QUEUE_URL": self.queue_url,
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ENDPOINT_URL_LAMBDA": self.lambdas.url,
        }

    @staticmethod
    def function(duty: str = "") -> str:
        """Return a function's name: of a duty, or of the API."""
        return f"sauron-{STAGE}" + (f"-{duty}" if duty else "")

    def stop(self) -> None:
        """Stop invoking and end every environment."""
        self._stopping.set()
        if self._front is not None:
            self._front.close()
            self._front = None
        self.lambdas.end_sandboxes()
        for thread in self._threads:
            thread.join(10)
        self.lambdas.end_sandboxes()  # one that was started meanwhile
        self._threads = []

    def close(self) -> None:
        """Stop, and forget what moto holds of it. No function may have been refused anything."""
        self.stop()
        self._requests.shutdown(wait=False, cancel_futures=True)
        self.lambdas.close()
        assert self.refused == [], self.refused

    # -- EventBridge ------------------------------------------------------------------------------

    def fire(self, duty: str, detail: Mapping[str, Any] | None = None) -> bytes:
        """Let a rule fire once, and return what its function answered; a failure raises."""
        event = events.scheduled_event(f"{self.function()}-{duty}-event", detail)
        outcome = self.lambdas.invoke(self.function(duty), json.dumps(event).encode())
        if outcome.error:
            raise FunctionError(duty, outcome.payload.decode())
        return outcome.payload

    def fire_all(self) -> None:
        """Let the minute's rules fire as one pass: tick, sync, upkeep."""
        with self._fired:
            for duty in ("tick", "sync", "upkeep"):
                self.fire(duty)

    def _clock(self) -> None:
        while not self._stopping.wait(60 - time.time() % 60):
            with contextlib.suppress(FunctionError):  # its log says so
                self.fire_all()

    # -- the queue's event source -----------------------------------------------------------------

    def _poll(self) -> None:
        """Hand each message to `work` in an environment of its own, as long as more may be busy at once."""
        sqs = self.aws.client("sqs")
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="source") as workers:
            busy: set[Future[None]] = set()
            while not self._stopping.wait(POLL_SECONDS):
                busy = {one for one in busy if not one.done()}
                most = min(10, CONCURRENCY - len(busy))
                if most:
                    asked = {"MaxNumberOfMessages": most, "WaitTimeSeconds": 0, "AttributeNames": ["All"]}
                    found = sqs.receive_message(QueueUrl=self.queue_url, **asked).get("Messages", [])
                    busy |= {workers.submit(self._work, sqs, message) for message in found}

    def _work(self, sqs: Any, message: Mapping[str, Any]) -> None:
        """Delete a message if its function succeeded; else it reappears after its timeout, as on AWS."""
        event = events.sqs_event(queue_arn("runs"), [message])
        outcome = self.lambdas.invoke(self.function("work"), json.dumps(event).encode())
        if outcome.error is None:
            sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    # -- API Gateway ------------------------------------------------------------------------------

    def answer(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes, source_ip: str
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return one request as API Gateway does."""
        if len(body) > 10 << 20:
            return events.refusal(413, "Request Too Long", "RequestTooLargeException")
        event = events.proxy_event(self.api, method, target, headers, body, source_ip=source_ip)
        if event is None:
            return events.refusal(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        asked: Future[Any] = self._requests.submit(
            self.lambdas.invoke, self.function(), json.dumps(event).encode()
        )
        try:
            outcome = asked.result(GATEWAY_SECONDS)
        except StillRunning:
            return events.refusal(504, "Endpoint request timed out", "InternalServerErrorException")
        if outcome.error:
            return events.refusal(502, "Internal server error", "InternalServerErrorException")
        accept = next((value for name, value in headers if name.lower() == "accept"), "")
        return events.answer_of(self.api, outcome.payload, accept)


class FunctionError(Exception):
    """A function ended with an error."""

    def __init__(self, duty: str, said: str) -> None:
        super().__init__(f"{duty}: {said}")


def queue_arn(name: str) -> str:
    """The ARN of one of our queues."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:sauron-{STAGE}-{name}"


class _Front(Handler):
    """Hands every request on, whatever its method."""

    cloud: Cloud

    def serve(self) -> None:
        body = self.read()
        self.answer(
            *self.cloud.answer(
                self.command, self.path, list(self.headers.items()), body, str(self.client_address[0])
            )
        )


for _method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
    setattr(_Front, f"do_{_method}", _Front.serve)
