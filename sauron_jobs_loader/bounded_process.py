"""A child process in its own session: followed until it ends or until a deadline, then killed with its group.

Only the end of the child itself is waited for. A process that left its group may hold the output open for
ever, so the end of the output decides nothing. `close` leaves no child, no zombie and no descriptor.
Limit: a process that left the session survives.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import IO, Self

from sauron_jobs_loader import job_umask
from sauron_jobs_loader.exit_descriptor import exit_descriptor

UNKILLABLE_AFTER_SECONDS = 10.0
"""How long a killed child is waited for. A child that hangs in the kernel cannot be killed."""

DRAIN_SECONDS = 1.0
"""How long output is taken after the end of the child, which others may go on to write."""

_CHUNK = 1 << 16

Sink = Callable[[bytes], None]
"""Takes a piece of output; an empty piece is the end of the stream."""


class BoundedProcess:
    """One child. For one thread at a time, except `close_input`. Use it in a `with` statement."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str] | None,
        on_output: Sink,
        on_error: Sink | None = None,
        data: bytes | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the child. Raises OSError or ValueError if it cannot be started.

        `on_output` gets its standard output and, without `on_error`, its standard error. `data` is its
        standard input; None keeps that open until `close_input`. `pass_fds` stay open in the child.
        """
        self._data = memoryview(data or b"")
        self.ended = False
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if on_error is None else subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
            umask=job_umask.of_children(),
        )
        self.pid = self._process.pid
        try:
            self._exit = exit_descriptor(self.pid)
        except BaseException:
            self.kill()
            self._process.communicate()
            raise
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._exit, selectors.EVENT_READ, self._note_end)
        for stream, sink in ((self._process.stdout, on_output), (self._process.stderr, on_error)):
            if stream is not None and sink is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, selectors.EVENT_READ, partial(self._take, stream, sink))
        if self._data and self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._selector.register(
                self._process.stdin, selectors.EVENT_WRITE, partial(self._send, self._process.stdin)
            )
        elif data is not None:
            self.close_input()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(kill=kind is not None)

    @property
    def returncode(self) -> int:
        """The exit code of a child that is closed; -N if signal N ended it, or if it cannot be killed."""
        code = self._process.returncode
        return -signal.SIGKILL if code is None else code

    def follow(self, deadline: float | None) -> bool:
        """Pass on output until the child ends; return False if the monotonic `deadline` comes first."""
        while not self.ended:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self._pass_on(left)
        return self.ended

    def drain(self, *, quiet: float = 0.0, limit: float = DRAIN_SECONDS) -> None:
        """Pass on what is left of the output of a child that ended.

        Ends with the output, when nothing came for `quiet` seconds, or after `limit` seconds.
        """
        until = time.monotonic() + limit
        while self._selector.get_map() and self._pass_on(quiet) and time.monotonic() < until:
            pass

    def close_input(self) -> None:
        """Close the standard input, by which a command guard ends its command. Any thread may call it."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """Kill the child's group, unless it is closed: then its number may belong to another process."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self, *, kill: bool = False) -> None:
        """Reap the child and close all descriptors; kill its group first if it runs, or with `kill`."""
        if kill or not self.ended:
            self.kill()
        if self.follow(time.monotonic() + UNKILLABLE_AFTER_SECONDS):
            self._process.wait()
        self._selector.close()
        os.close(self._exit)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _pass_on(self, seconds: float | None) -> bool:
        ready = self._selector.select(seconds)
        for key, _ in ready:
            key.data()
        return bool(ready)

    def _take(self, stream: IO[bytes], sink: Sink) -> None:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(stream)
        sink(data)

    def _send(self, stream: IO[bytes]) -> None:
        try:
            self._data = self._data[os.write(stream.fileno(), self._data[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._data = self._data[:0]
        if not self._data:
            self._selector.unregister(stream)
            self.close_input()

    def _note_end(self) -> None:
        self._selector.unregister(self._exit)
        self.ended = True
