"""Run a program from a job: its output goes to the job's log as it comes, and the end of the output is kept.

There is no shell: `argv` is a list. At its timeout, or when an exception ends the wait, the program is killed
with everything it started. A process that left both its session and its family tree ends with the job. So
does a process that a program leaves running when it ends by itself. Standard error is read with standard
output, in one stream.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sauron_jobs_loader.bounded_output import BoundedOutput
from sauron_jobs_loader.bounded_process import BoundedProcess
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.process import tree
from sauron_jobs_loader.programs.cause import cause, sentence

GRACE_SECONDS = 5.0
"""The default time between TERM and KILL at the timeout."""

QUIET_SECONDS = 0.5
"""How long output may pause after the program ended. A process it left behind may hold the stream open."""

LINGER_SECONDS = 3.0
"""How long output is taken after the program ended. A process it left behind may go on writing."""

CHUNK = 1 << 16
LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended. `returncode` is -N after signal N; `output` is the end of its output."""

    argv: tuple[str, ...]
    returncode: int
    output: str
    seconds: float
    timed_out: bool


class CommandError(LoaderError):
    """A program could not be started, failed, or was ended at its timeout.

    `result` is None if it did not start.
    """

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
    grace_seconds: float = GRACE_SECONDS,
) -> CommandResult:
    """Run a program to its end. Raises CommandError if it cannot be started and, with `check`, if it fails.

    `env` is added to the job's environment; a None there removes a variable. `input` is its standard input,
    by default empty. The result keeps the last `keep_chars` bytes of the output. At `timeout_seconds` the
    program gets TERM, and KILL `grace_seconds` later.
    """
    words = _checked(argv)
    started = time.monotonic()
    kept, log = BoundedOutput(last=keep_chars), _Log()

    def take(data: bytes) -> None:
        kept.add(data)
        log.add(data)

    try:
        child = BoundedProcess(
            words,
            env=_environ(env),
            cwd=cwd,
            on_output=take,
            data=input.encode() if isinstance(input, str) else input or b"",
        )
    except (OSError, ValueError) as error:
        raise CommandError(f"{words[0]} cannot be started: {_reason(error, words[0], env, cwd)}") from error
    with contextlib.closing(log), child:
        ended = _followed(
            child, None if timeout_seconds is None else started + timeout_seconds, grace_seconds
        )
    seconds = time.monotonic() - started
    result = CommandResult(tuple(words), child.returncode, kept.text(), seconds, timed_out=not ended)
    if check and (result.timed_out or result.returncode):
        how = f"did not end within {timeout_seconds:g} s" if result.timed_out else _ended(result.returncode)
        lines = result.output.rstrip().splitlines()[-LAST_LINES:]
        raise CommandError(
            "\n".join([f"{words[0]} {how}." + (" The end of its output:" if lines else ""), *lines]), result
        )
    return result


def _reason(
    error: OSError | ValueError,
    program: str,
    env: Mapping[str, str | None] | None,
    cwd: str | os.PathLike[str] | None,
) -> str:
    folder = Path.cwd() if cwd is None else Path(cwd).absolute()
    if cwd is not None and not folder.is_dir():
        return f"cwd={os.fspath(cwd)!r} is not a folder. Make it first, or write another."
    with contextlib.suppress(OSError, ValueError):
        fault = cause(program, folder=str(folder), path=_environ(env).get("PATH", os.defpath))
        if fault is not None and fault.file is not None:
            return sentence(program, fault, str(folder))
    advice = " Install it, or write its full path." if isinstance(error, FileNotFoundError) else ""
    return f"{getattr(error, 'strerror', None) or error}.{advice}"


def _followed(child: BoundedProcess, deadline: float | None, grace: float) -> bool:
    """Follow a program to its end; at the deadline end it with everything it started and return False."""
    try:
        ended = child.follow(deadline)
        if not ended:
            family = _processes_of(child.pid)
            _signal(family, signal.SIGTERM)
            child.follow(time.monotonic() + grace)
            _signal(family | _processes_of(child.pid), signal.SIGKILL)
            child.follow(time.monotonic() + tree.UNKILLABLE_AFTER_SECONDS)
        child.drain(quiet=QUIET_SECONDS, limit=LINGER_SECONDS)
    except BaseException:
        _signal(_processes_of(child.pid), signal.SIGKILL)
        raise
    return ended


class _Log:
    """Prints whole lines as they come, so that a secret is not split; `close` prints the rest."""

    def __init__(self) -> None:
        self._line = b""

    def add(self, data: bytes) -> None:
        """Take a piece of output."""
        whole, newline, rest = (self._line + data).rpartition(b"\n")
        if len(rest) > CHUNK:  # a line without end
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._line = rest
        if newline:
            _print(whole + newline)

    def close(self) -> None:
        """Print the last line."""
        if self._line:
            _print(self._line + b"\n")


def _print(lines: bytes) -> None:
    sys.stdout.write(lines.decode("utf-8", "replace"))
    sys.stdout.flush()


def _processes_of(pid: int) -> set[int]:
    """Return the ids of a program, of its descendants and of what is left of its session."""
    found = {pid} | {process.pid for process in tree.descendants(pid)}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - as in process.tree
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
        raise CommandError(f"run() got a text: write a list, such as {_example(argv)}. There is no shell.")
    words = [os.fspath(word) for word in argv]
    if not words or not all(isinstance(word, str) for word in words):
        raise CommandError("run() got an invalid command: write a list of texts, such as ['df', '-h'].")
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
