"""Lambda's Invoke API on loopback: named functions, each with as many environments as are busy at once.

An environment that is free serves the next invocation, else one more is started; one that ran into its
timeout or exited is not used again. `POST /2015-03-31/functions/<name>/invocations` is answered as AWS does,
for AWS_ENDPOINT_URL_LAMBDA.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

from tests.aws_iam import Call, refusal
from tests.lambda_zip import Package
from tests.parity.loopback import Handler, Server
from tests.parity.sandbox import ACCOUNT, JSON, REGION, Function, Outcome, Sandbox


class Lambda:
    """The functions that are deployed, and whoever invokes them."""

    def __init__(self, package: Package, home: Path) -> None:
        """Deploy nothing yet; what environments print goes to `home`."""
        self.package = package
        self.home = home
        self.functions: dict[str, Function] = {}
        self.timed_out: list[str] = []  # names of functions, as it happened
        self._lock = threading.Lock()
        self._free: dict[str, list[Sandbox]] = {}
        self._all: set[Sandbox] = set()
        self._asynchronous = ThreadPoolExecutor(4, thread_name_prefix="lambda-event")
        self._server = Server(_InvokeApi, cloud=self)

    @property
    def url(self) -> str:
        """Where the Invoke API answers."""
        return f"http://{self._server.address}"

    def deploy(self, functions: Iterable[Function]) -> None:
        """Put these functions in the place of all there were; environments of earlier ones end."""
        self.end_sandboxes()
        self.functions = {function.name: function for function in functions}

    def log_of(self, name: str) -> Path:
        """The file of what a function's environments print."""
        return self.home / f"{name}.log"

    def invoke(self, name: str, payload: bytes) -> Outcome:
        """Invoke a function and wait for its end."""
        function = self.functions[name]
        with self._lock:
            free = self._free.setdefault(name, [])
            free[:] = [one for one in free if one.process.poll() is None]
            sandbox = free.pop() if free else None
            if sandbox is None:
                sandbox = Sandbox(self.package, function, self.log_of(name), folder=self.home)
                self._all.add(sandbox)
        outcome = sandbox.invoke(payload)
        with self._lock:
            if outcome.timed_out:
                self.timed_out.append(name)
            if sandbox.ended or sandbox not in self._all:
                self._all.discard(sandbox)
            else:
                free.append(sandbox)
        if outcome.error:
            with self.log_of(name).open("ab") as log:
                log.write(b"REPORT " + outcome.payload + b"\n")
        return outcome

    def invoke_later(self, name: str, payload: bytes) -> None:
        """Invoke a function without waiting. Unlike Lambda it does not retry twice after a failure."""
        self._asynchronous.submit(self.invoke, name, payload)

    def sandboxes(self, name: str | None = None) -> list[Sandbox]:
        """The environments there are, of one function or of all."""
        with self._lock:
            return [one for one in self._all if name in {None, one.function.name}]

    def end_sandboxes(self) -> None:
        """Kill every environment; the next invocation starts cold."""
        with self._lock:
            found = list(self._all)
            self._all.clear()
            self._free.clear()
        for sandbox in found:
            sandbox.end()

    def close(self) -> None:
        """End everything."""
        self.end_sandboxes()
        self._asynchronous.shutdown(wait=True, cancel_futures=True)
        self._server.close()


class _InvokeApi(Handler):
    cloud: Lambda

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        payload = self.read() or b"{}"
        parts = self.path.partition("?")[0].split("/")
        name = unquote(parts[3]).rpartition(":")[2] if parts[2:3] == ["functions"] else ""
        call = Call("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
        if refusal(self.headers.get("Authorization", ""), lambda: [call]):
            named = ("x-amzn-ErrorType", "AccessDeniedException")
            self.answer(
                403, (*JSON, named), b'{"Message":"not authorized to perform: lambda:InvokeFunction"}'
            )
        elif name not in self.cloud.functions:
            named = ("x-amzn-ErrorType", "ResourceNotFoundException")
            self.answer(404, (*JSON, named), b'{"Type":"User","Message":"Function not found"}')
        elif self.headers.get("X-Amz-Invocation-Type") == "Event":
            self.cloud.invoke_later(name, payload)
            self.answer(202, JSON, b"")
        else:
            outcome = self.cloud.invoke(name, payload)
            failed = [("X-Amz-Function-Error", outcome.error)] if outcome.error else []
            self.answer(200, (*JSON, ("X-Amz-Executed-Version", "$LATEST"), *failed), outcome.payload)
