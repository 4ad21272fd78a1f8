"""Run the commands of an installation so that they can be ended, with a log that people can read while it is written.

Every command runs in a session of its own under `git_guard`: at the deadline, at `Installation.stop` and when
this process dies, by whatever signal, the whole group is ended. Credentials are blotted out before anything
is written. The log is bounded: the beginning as it comes, and the end of what is left out.

Limit: a build step that makes a session of its own outlives the deadline; pip shows the addresses of indexes
to its build steps in their arguments, where the same user can see them.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sauron_jobs_loader import command_guard
from sauron_jobs_loader.masking import MASK, Masker

LOG_LIMIT = 1024 * 1024
TAIL_LIMIT = 32 * 1024
LINE_LIMIT = 16 * 1024
_KILL_AFTER_SECONDS = 3.0  # the guard's own second, and slack for a busy machine
_USER_INFORMATION = re.compile(r"(?<=://)(?!git@)[^/\s'\"]+@")


class InstallLog:
    """The log of one installation, in a file that grows line by line."""

    def __init__(self, file: Path, secrets: Iterable[str]) -> None:
        self._masker = Masker(secrets)
        self._stream = os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb", buffering=0
        )
        self._line = bytearray()
        self._tail = bytearray()
        self._room = LOG_LIMIT
        self._left_out = 0

    @property
    def tail(self) -> str:
        """The end of what was said."""
        return self._tail.decode("utf-8", "replace").strip()

    def say(self, text: str) -> None:
        """Write a line of our own."""
        self.feed(f"{text}\n".encode())

    def feed(self, data: bytes) -> None:
        """Take what a command says; whole lines are written at once, and lines without an end are cut."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line += line[: LINE_LIMIT - len(self._line)]
            self._end_line()
        self._line += rest[: LINE_LIMIT - len(self._line)]

    def close(self) -> None:
        """Write what is left."""
        with self._stream:
            if self._line:
                self._end_line()
            if self._left_out:
                end = bytes(self._tail[-self._left_out :])
                self._stream.write(
                    f"[... {self._left_out - len(end)} bytes are left out here ...]\n".encode() + end
                )

    def _end_line(self) -> None:
        text = self._masker.text(self._line.decode("utf-8", "replace"))
        line = _USER_INFORMATION.sub(f"{MASK}@", text).encode() + b"\n"
        self._line.clear()
        self._tail += line
        del self._tail[:-TAIL_LIMIT]
        if self._left_out or len(line) > self._room:
            self._left_out += len(line)
        else:
            self._room -= len(line)
            self._stream.write(line)


class Installation:
    """The commands of one installation, one after the other, until a deadline they share."""

    def __init__(self, log: InstallLog, *, environ: Mapping[str, str], deadline: float, lock: int) -> None:
        """Keep the descriptor `lock` open in the commands, so that the lock lasts as long as they do; `deadline` is monotonic."""
        self._log = log
        self._environ = dict(environ)
        self._deadline = deadline
        self._lock = lock
        self._running = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self.timed_out = False

    def run(self, command: Sequence[str], *, cwd: Path) -> int:
        """Run a command to its end and return its exit code; not 0 when it was ended, see `stopped` and `timed_out`."""
        self._log.say(f"$ {' '.join(command)}")
        output, output_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            try:
                os.set_blocking(output_end, True)
                process = self._start(command, cwd, output_end)
            finally:
                os.close(output_end)
            if process is None:
                return -signal.SIGTERM
            try:
                self._follow(process, output)
            finally:
                self._bury(process)
                while self._take(output):
                    pass
            return process.returncode or (-signal.SIGTERM if self.stopped or self.timed_out else 0)
        finally:
            os.close(output)

    def stop(self) -> None:
        """End the command that runs, from another thread, and start none any more."""
        with self._running:
            self.stopped = True
            _close_input(self._process)

    def _start(self, command: Sequence[str], cwd: Path, output: int) -> subprocess.Popen[bytes] | None:
        with self._running:
            if self.stopped:
                return None
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", command_guard.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._environ,
                cwd=cwd,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
            return self._process

    def _follow(self, process: subprocess.Popen[bytes], output: int) -> None:
        """Collect the output until the process ended; the end of the output decides nothing."""
        ended = os.pidfd_open(process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(ended, selectors.EVENT_READ)
                selector.register(output, selectors.EVENT_READ)
                limit = self._deadline
                while True:
                    left = limit - time.monotonic()
                    if left <= 0 and self.timed_out:
                        return
                    if left <= 0:
                        self.timed_out = True
                        _close_input(process)  # the guard takes it from there
                        limit = time.monotonic() + _KILL_AFTER_SECONDS
                        continue
                    ready = {key.fd for key, _ in selector.select(left)}
                    if output in ready and not self._take(output):
                        selector.unregister(output)
                    if ended in ready:
                        return
        finally:
            os.close(ended)

    def _take(self, output: int) -> bool:
        """Read once; False when nothing more will come, or nothing is there."""
        try:
            data = os.read(output, 1 << 16)
        except BlockingIOError:
            return False
        self._log.feed(data)
        return bool(data)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """Leave nothing of the command's group behind."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with self._running:
            self._process = None
            _close_input(process)
        process.wait()


def _close_input(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
