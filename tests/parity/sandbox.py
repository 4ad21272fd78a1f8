"""One execution environment of a function: an awslambdaric process with its own Runtime API on loopback.

As on Lambda: one invocation at a time; nothing of it runs between invocations (every process is stopped by a
signal until the next one); what outlives the function's timeout is killed with all its processes; PATH leads
to a few programs and no git, HOME is not set, the code is not written to, /tmp is its own.

Limit: it stays a process of this machine: it has its memory, processors and network, and sees its files.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lambda_zip import Package
from tests.parity.loopback import Handler, Server

REGION, ACCOUNT = "us-east-1", "123456789012"
JSON = (("Content-Type", "application/json"),)
INIT_SECONDS = 60.0  # Lambda allows 10; a busy machine that runs tests needs more


@dataclass(frozen=True)
class Function:
    """A Lambda function as it was deployed."""

    name: str
    handler: str
    seconds: float  # its timeout
    memory_mb: int = 512
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The access key of its role."""
        return f"ASIA-{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


@dataclass(frozen=True)
class Outcome:
    """The end of an invocation: the function's result, or the Invoke API's `error` with its payload."""

    payload: bytes
    error: str | None = None
    timed_out: bool = False


@dataclass
class _Invocation:
    payload: bytes
    seconds: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answered: queue.SimpleQueue[Outcome] = field(default_factory=queue.SimpleQueue)


class Sandbox:
    """A started environment of a function; it serves one invocation after the other until it is ended."""

    def __init__(self, package: Package, function: Function, log: Path, *, folder: Path) -> None:
        """Start the process; its output is appended to `log`."""
        self.function = function
        self.invocations = 0
        self._work: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._current: _Invocation | None = None
        self._idle = threading.Event()
        self._freezing = threading.Lock()
        self._ended = False
        self.temporary = Path(tempfile.mkdtemp(prefix="tmp", dir=folder))
        self._server = Server(_RuntimeApi, sandbox=self)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(package.python), "-S", "-m", "awslambdaric", function.handler],
                cwd=package.task_root,
                env=self._environ(package),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _environ(self, package: Package) -> dict[str, str]:
        function = self.function
        return {
            "PATH": f"{package.python.parent}:{package.programs}",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(package.task_root),
            "LAMBDA_RUNTIME_DIR": str(package.runtime),
            "PYTHONPATH": str(package.runtime),
            "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task/lib:/opt/lib",
            "PYTHONDONTWRITEBYTECODE": "1",  # the folder cannot be written to on Lambda
            "AWS_LAMBDA_RUNTIME_API": self._server.address,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"[$LATEST]{uuid.uuid4().hex}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{package.python_version}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": function.key,
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing-session",
            "_HANDLER": function.handler,
            **function.environ,
            "TMPDIR": str(self.temporary),
            **({"JOBS_DIR": str(self.temporary / "jobs")} if "JOBS_DIR" in function.environ else {}),
        }

    def invoke(self, payload: bytes) -> Outcome:
        """Hand over an event and return the function's end. Initialization does not count, as on Lambda."""
        waiting_until = time.monotonic() + INIT_SECONDS
        while not self._idle.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > waiting_until:
                status = self.process.poll()
                self.end()
                return _failed("Runtime.ExitError", f"initialization ended with status {status}")
        self.invocations += 1
        current = _Invocation(payload, self.function.seconds)
        self._current = current
        self._work.put(current)
        give_up = time.monotonic() + current.seconds
        while True:
            try:
                return current.answered.get(timeout=0.25)
            except queue.Empty:
                pass
            if time.monotonic() > give_up:
                self.end()
                return _failed(
                    "Sandbox.Timedout",
                    f"{current.id} Task timed out after {current.seconds:.2f} seconds",
                    late=True,
                )
            if self.process.poll() is not None and current.answered.empty():
                self.end()
                return _failed(
                    "Runtime.ExitError",
                    f"RequestId: {current.id} Error: Runtime exited without providing a reason",
                )

    # -- what the Runtime API tells ---------------------------------------------------------------

    def next(self) -> _Invocation | None:
        """Wait for the next invocation while everything stands still; None when the environment ends."""
        self._idle.set()
        with self._freezing:
            if self._work.empty() and not self._ended:
                self._signal(signal.SIGSTOP)
        invocation = self._work.get()
        self._idle.clear()
        if not self._ended:
            self._signal(signal.SIGCONT)
        return invocation

    def answer(self, invocation_id: str, outcome: Outcome) -> None:
        """Take the answer to the invocation that is under way."""
        if self._current is not None and self._current.id == invocation_id:
            self._current.answered.put(outcome)

    # -- its processes ----------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """The process and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def _signal(self, number: int) -> None:
        reached: set[int] = set()
        while more := [pid for pid in self.processes() if pid not in reached]:  # some may fork meanwhile
            for pid in more:
                reached.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def end(self) -> None:
        """Kill every process and close the Runtime API."""
        if self._ended:
            return
        self._ended = True
        with self._freezing:
            self._signal(signal.SIGSTOP)
            self._signal(signal.SIGKILL)
        self.process.wait()
        self._work.put(None)
        self._server.close()
        shutil.rmtree(self.temporary, ignore_errors=True)

    @property
    def ended(self) -> bool:
        return self._ended


def _failed(kind: str, message: str, *, late: bool = False) -> Outcome:
    return Outcome(
        json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled", timed_out=late
    )


class _RuntimeApi(Handler):
    """GET next, POST response and error. Source: "Using the Lambda runtime API" in AWS's developer guide."""

    sandbox: Sandbox

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
        if not self.path.endswith("/runtime/invocation/next"):
            self.answer(404, JSON, b"{}")
        elif (invocation := self.sandbox.next()) is None:
            self.close_connection = True
        else:
            deadline = int((time.time() + invocation.seconds) * 1000)
            told = {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": self.sandbox.function.arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{deadline // 1000:08x}-{uuid.uuid4().hex[:24]};Sampled=0",
            }
            self.answer(200, (*JSON, *told.items()), invocation.payload)

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        body = self.read()
        parts = self.path.split("/")
        if parts[-1] == "response":
            self.sandbox.answer(parts[-2], Outcome(body))
        elif parts[-1] == "error" and parts[-2] != "init":
            self.sandbox.answer(parts[-2], Outcome(body, "Unhandled"))
        self.answer(202, JSON, b'{"status":"OK"}')
