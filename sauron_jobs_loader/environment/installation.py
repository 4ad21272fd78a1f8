"""Run the commands of an installation so that they can be ended, with a log that can be read meanwhile.

Every command runs in a session of its own under `command_guard`. At the deadline, at `Installation.stop` and
when this process dies, by any signal, the whole group is ended. Credentials are masked before anything is
written. The log is bounded: the beginning is written as it comes, and the end when the log is closed.

Limit: a build step that makes a session of its own outlives the deadline. pip shows the addresses of indexes
to its build steps in their arguments, where the same user can see them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sauron_jobs_loader import command_guard
from sauron_jobs_loader.bounded_output import BoundedOutput
from sauron_jobs_loader.bounded_process import BoundedProcess
from sauron_jobs_loader.masking import Masker, without_credentials

LOG_LIMIT = 1024 * 1024
TAIL_LIMIT = 32 * 1024
LINE_LIMIT = 16 * 1024


class InstallLog:
    """The log of one installation, in a file that grows line by line."""

    def __init__(self, file: Path, secrets: Iterable[str]) -> None:
        self._masker = Masker(secrets)
        self._stream = os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb", buffering=0
        )
        self._line = bytearray()
        self._room = LOG_LIMIT
        self._end = BoundedOutput(last=TAIL_LIMIT)
        self._beyond: BoundedOutput | None = None  # lines that the file has no room for

    @property
    def tail(self) -> str:
        """The end of the log."""
        return self._end.kept().strip()

    def say(self, text: str) -> None:
        """Write a line of Sauron itself."""
        self.feed(f"{text}\n".encode())

    def feed(self, data: bytes) -> None:
        """Take output of a command. Whole lines are written at once; a line over LINE_LIMIT bytes is cut."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line += line[: LINE_LIMIT - len(self._line)]
            self._end_line()
        self._line += rest[: LINE_LIMIT - len(self._line)]

    def close(self) -> None:
        """Write the last line, and the end of what the file had no room for."""
        with self._stream:
            if self._line:
                self._end_line()
            if self._beyond is not None:
                self._stream.write(self._beyond.text().encode())

    def _end_line(self) -> None:
        line = f"{without_credentials(self._masker.text(self._line.decode('utf-8', 'replace')))}\n".encode()
        self._line.clear()
        self._end.add(line)
        if self._beyond is None and len(line) > self._room:
            self._beyond = BoundedOutput(last=TAIL_LIMIT)
        if self._beyond is None:
            self._room -= len(line)
            self._stream.write(line)
        else:
            self._beyond.add(line)


class Installation:
    """The commands of one installation, one after the other, until their common deadline."""

    def __init__(self, log: InstallLog, *, environ: Mapping[str, str], deadline: float, lock: int) -> None:
        """Keep the descriptor `lock` open in the commands, so that the lock lasts as long as they do.

        `environ` is their whole environment; `deadline` is monotonic.
        """
        self._log = log
        self._environ = dict(environ)
        self._deadline = deadline
        self._lock = lock
        self._changing = threading.Lock()
        self._child: BoundedProcess | None = None
        self.stopped = False
        self.timed_out = False

    def run(self, command: Sequence[str], *, cwd: Path) -> int:
        """Run a command and return its exit code, which is not 0 if it was stopped or timed out."""
        self._log.say(f"$ {' '.join(command)}")
        child = self._start(command, cwd)
        if child is None:
            return -signal.SIGTERM
        try:
            with child:
                if not child.follow(self._deadline):
                    self.timed_out = True
                    child.close_input()  # the guard ends the group; what it does not manage is done below
                    child.follow(time.monotonic() + command_guard.KILL_AFTER_SECONDS)
                child.kill()
                child.drain()
        finally:
            with self._changing:
                self._child = None
        return child.returncode or (-signal.SIGTERM if self.stopped or self.timed_out else 0)

    def stop(self) -> None:
        """End the command that runs, from another thread, and start no other."""
        with self._changing:
            self.stopped = True
            if self._child is not None:
                self._child.close_input()

    def _start(self, command: Sequence[str], cwd: Path) -> BoundedProcess | None:
        with self._changing:
            if not self.stopped:
                self._child = BoundedProcess(
                    command_guard.guarded(command),
                    env=self._environ,
                    cwd=cwd,
                    on_output=self._log.feed,
                    pass_fds=(self._lock,),
                )
            return self._child
