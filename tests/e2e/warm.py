"""Processes that need not import: they are forked from one that has imported Sauron.

A fork is a process of its own, with its own arguments, environment, folder, streams and exit code; only the
second that its imports would take is spared. `Warm.start` serves `python -m MODULE`. What is about the start
of the interpreter itself, as PYTHONPATH and LD_PRELOAD are, wants a process that begins from nothing.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

IMPORTS = ("sauron.main", "sauron.cli.root", "sauron.cli.local_client", "app", "alembic.command", "psycopg")
LARGEST = 1 << 20  # bytes of one request


class Process:
    """A forked process, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.send_signal(signal.SIGKILL)

    def _ended(self) -> None:
        self.returncode = int(self._status.recv(64))
        self._status.close()


class Warm:
    """The process that forks. It ends with the one that made it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.warm", str(theirs.fileno())],
                cwd=Path(__file__).resolve().parents[2],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self, module: str, arguments: Sequence[str], cwd: Path, environ: Mapping[str, str], streams: list[int]
    ) -> Process:
        """Run a module as `python -m` does; `streams` are descriptors for input, output and errors."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([module, list(arguments), str(cwd), dict(environ)]).encode()
        with theirs:
            socket.send_fds(self._socket, [request], [*streams, theirs.fileno()])
        return Process(int(ours.recv(64)), ours)

    def close(self) -> None:
        """Let it end, as soon as those it started have."""
        self._socket.close()
        self._process.wait()


@functools.cache
def warm(*environ: tuple[str, str]) -> Warm:
    """Return the process that forks for this process of the tests; it is started when first used."""
    return Warm(dict(environ))


def serve(control: socket.socket) -> list[Any] | None:
    """Fork for every request. Return the request in the fork, and None in the end."""
    running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: process and whom to tell
    open_ = True
    while open_ or running:
        watched: list[int] = [*([control.fileno()] if open_ else []), *running]
        for ready in select.select(watched, [], [])[0]:
            if ready in running:
                pid, status = running.pop(ready)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(BrokenPipeError):
                    status.send(str(code).encode())
                status.close()
                os.close(ready)
                continue
            request, descriptors, _, _ = socket.recv_fds(control, LARGEST, 4)
            if not request:
                open_ = False
                continue
            if not (pid := os.fork()):
                for number, descriptor in enumerate(descriptors[:3]):
                    os.dup2(descriptor, number)
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))
                control.detach()
                found: list[Any] = json.loads(request)
                return found
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            status = socket.socket(fileno=descriptors[3])
            status.send(str(pid).encode())
            running[os.pidfd_open(pid)] = pid, status
    return None


def become(module: str, arguments: Sequence[str], cwd: str, environ: Mapping[str, str]) -> None:
    """Go on as `python -m module` would have begun."""
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(cwd)
    random.seed()
    sys.path[0] = cwd
    sys.argv = [module, *arguments]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the three streams, as an interpreter makes them
    sys.stdout = open(1, "w", closefd=False, buffering=1 if os.isatty(1) else -1)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
    if module in sys.modules and not hasattr(sys.modules[module], "__path__"):
        del sys.modules[module]  # it runs once more, as the program
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Import, then serve on the socket whose descriptor is the argument."""
    for name in IMPORTS:
        importlib.import_module(name)
    gc.freeze()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(*asked)


if __name__ == "__main__":
    main()
