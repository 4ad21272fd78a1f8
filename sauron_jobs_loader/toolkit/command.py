"""Run a program from a job: its output goes to the job's log as it comes, and its end is kept.

There is no shell: `argv` is a list. At its timeout, or when an exception ends the wait, the program and what
it started are killed, but for those that left both its session and its family tree; these end with the job,
as everything does, and so does what a program leaves running when it ends by itself. Limit: Linux (pidfd);
standard error is read with standard output, in one stream.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.process import tree

from .bounded_output import BoundedOutput

GRACE_SECONDS = 5.0
"""Between TERM and KILL at the timeout."""

QUIET_SECONDS = 0.5
"""How long output may pause after the program ended; what it left behind may hold its stream open for ever."""

LINGER_SECONDS = 3.0
"""How long output is taken at all after the program ended; what it left behind may go on talking."""

CHUNK = 1 << 16
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended. `returncode` is -N after signal N; `output` is the end of what it printed."""

    argv: tuple[str, ...]
    returncode: int
    output: str
    seconds: float
    timed_out: bool


class CommandError(LoaderError):
    """A program could not be started, failed, or was ended at its timeout. `result` is None when it did not start."""

    def __init__(self, message: str, result: CommandResult | None = None) -> None:
        super().__init__(message)
        self.result = result


def run(
    argv: Sequence[str],
    *,
    timeout_seconds: float | None = None,
    check: bool = True,
    input: str | bytes | None = None,  # noqa: A002 - the name subprocess has made known
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    keep_chars: int = 64 * 1024,
) -> CommandResult:
    """Run a program to its end. Raises CommandError when it cannot be started and, with `check`, when it fails.

    `env` is added to the job's environment; a None there takes a variable away. `input` is its standard
    input, empty without. The result keeps the last `keep_chars` of the output.
    """
    words = _checked(argv)
    started = time.monotonic()
    data = input.encode() if isinstance(input, str) else input or b""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environ(env),
            cwd=cwd,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = " Install it, or write its full path." if isinstance(error, FileNotFoundError) else ""
        raise CommandError(f"{words[0]} cannot be started: {reason}.{advice}") from error
    kept = BoundedOutput(first=0, last=keep_chars)
    with contextlib.closing(_Watched(process, kept, data)) as watched:
        ended = watched.until(None if timeout_seconds is None else started + timeout_seconds)
        if not ended:
            watched.end()
    seconds = time.monotonic() - started
    result = CommandResult(tuple(words), process.returncode, kept.text(), seconds, timed_out=not ended)
    if check and (result.timed_out or result.returncode):
        how = f"did not end within {timeout_seconds:g} s" if result.timed_out else _ended(result.returncode)
        lines = result.output.rstrip().splitlines()[-LAST_LINES:]
        raise CommandError(
            "\n".join([f"{words[0]} {how}." + (" It printed at the end:" if lines else ""), *lines]), result
        )
    return result


class _Watched:
    """A started program with its pipes. `close` leaves nothing of it."""

    def __init__(self, process: subprocess.Popen[bytes], kept: BoundedOutput, data: bytes) -> None:
        self._process = process
        self._kept = kept
        self._input = memoryview(data)
        self._line = b""
        self._exit = os.pidfd_open(process.pid)
        self._waiting = selectors.DefaultSelector()
        assert process.stdout  # noqa: S101 - Popen was given a pipe
        assert process.stdin  # noqa: S101 - as above
        self._output, self._feed = process.stdout.fileno(), process.stdin.fileno()
        os.set_blocking(self._output, False)
        os.set_blocking(self._feed, False)
        self._waiting.register(self._exit, selectors.EVENT_READ)
        self._waiting.register(self._output, selectors.EVENT_READ)
        if data:
            self._waiting.register(self._feed, selectors.EVENT_WRITE)
        else:
            process.stdin.close()

    def until(self, deadline: float | None) -> bool:
        """Pass on output until the program has ended; answer False when the deadline came first."""
        running, open_, over_at = True, True, 0.0
        while running or open_:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0 and running:
                return False
            ready = {key.fd for key, _ in self._waiting.select(left if running else QUIET_SECONDS)}
            if not running and (not ready or time.monotonic() > over_at):
                break
            if self._feed in ready:
                self._send()
            if self._output in ready and not self._take():
                self._waiting.unregister(self._output)
                open_ = False
            if self._exit in ready:
                self._waiting.unregister(self._exit)
                running, over_at = False, time.monotonic() + LINGER_SECONDS
        self._process.wait()
        return True

    def end(self) -> None:
        """TERM to the program and what it started; KILL to what is left when it has ended, at the latest after the grace."""
        family = _processes_of(self._process.pid)
        _signal(family, signal.SIGTERM)
        self.until(time.monotonic() + GRACE_SECONDS)
        _signal(family | _processes_of(self._process.pid), signal.SIGKILL)

    def close(self) -> None:
        """Kill a program that still runs, pass on the last line, give up every descriptor."""
        if self._process.returncode is None:
            _signal(_processes_of(self._process.pid), signal.SIGKILL)
            self.until(time.monotonic() + tree.UNKILLABLE_AFTER_SECONDS)
        if self._line:
            _print(self._line + b"\n")
        self._waiting.close()
        os.close(self._exit)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _send(self) -> None:
        try:
            self._input = self._input[os.write(self._feed, self._input[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._input = self._input[:0]
        if not self._input and self._process.stdin:
            self._waiting.unregister(self._feed)
            self._process.stdin.close()

    def _take(self) -> bool:
        """Take one piece of output; answer False at its end."""
        try:
            data = os.read(self._output, CHUNK)
        except BlockingIOError:
            return True
        self._kept.add(data)
        whole, newline, rest = (self._line + data).rpartition(b"\n")
        if len(rest) > CHUNK:  # a line without end
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._line = rest
        if newline:
            _print(whole + newline)
        return bool(data)


def _print(lines: bytes) -> None:
    sys.stdout.write(lines.decode("utf-8", "replace"))
    sys.stdout.flush()


def _processes_of(pid: int) -> set[int]:
    """Find a program, what it started, and what is left of its session."""
    found = {pid} | {process.pid for process in tree.descendants(pid)}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - as in process_tree
        if entry.isdigit() and (process := tree.look_at(int(entry))) and process.session == pid:
            found.add(process.pid)
    return found


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        process = tree.look_at(pid)
        if process and process.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _checked(argv: Sequence[str]) -> list[str]:
    if isinstance(argv, str | bytes):
        raise CommandError(f"run() takes a list, such as {_example(argv)}: there is no shell.")
    words = [os.fspath(word) for word in argv]
    if not words or not all(isinstance(word, str) for word in words):
        raise CommandError("run() takes a list of texts, such as ['df', '-h'].")
    return words


def _example(line: str | bytes) -> list[str]:
    try:
        return [shlex.split(line if isinstance(line, str) else line.decode())[0], "..."]
    except (ValueError, IndexError):
        return ["df", "-h"]


def _environ(env: Mapping[str, str | None] | None) -> dict[str, str]:
    joined: dict[str, str | None] = {**os.environ, **(env or {})}
    return {name: value for name, value in joined.items() if value is not None}


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
