"""The runner's handle on one process tree: start it, send it requests, learn how it ended, end it.

The tree lives as long as the runner holds its end of the guard's socket, which no other process inherits, so
the death of the runner ends the tree.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sauron_jobs_loader import channel, job_umask
from sauron_jobs_loader.bounded_output import BoundedOutput
from sauron_jobs_loader.errors import BootError

PACKAGE = Path(__file__).resolve().parents[1]
END_PATIENCE = timedelta(seconds=15)
SWEEP_PATIENCE = timedelta(seconds=12)


class TreeGoneError(Exception):
    """The tree no longer takes requests: its zygote ended."""


class ProcessTreeHandle:
    """A guard process with either the zygote of a revision or one spawned supervisor below it."""

    def __init__(
        self,
        mode: str,
        sha: str,
        folder: Path,
        environ: Mapping[str, str],
        *,
        python: Path | None = None,
        inherited_lock_fd: int | None = None,
    ) -> None:
        """Start the guard, which holds `inherited_lock_fd` open until its tree is gone. Raises BootError.

        `python` is the interpreter of the bundle's environment, whose programs then come first on PATH; None
        is Sauron's own.
        """
        self.sha = sha
        self._lock = threading.Lock()
        self._retired = False
        # of supervisors that wait for an attempt, with since when: the next one to be taken last
        self._free: list[tuple[socket.socket, float]] = []
        self._child_status: int | None = None
        self._guard, guard_end = socket.socketpair()
        self._requests, requests_end = socket.socketpair()
        self.output, output_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.output, False)
        fds = (
            guard_end.fileno(),
            requests_end.fileno(),
            *(() if inherited_lock_fd is None else (inherited_lock_fd,)),
        )
        try:
            self.process = subprocess.Popen(
                [str(python or sys.executable), str(PACKAGE), mode, sha, *map(str, fds)],
                env=with_programs(environ, python),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output_end,
                stderr=output_end,
                pass_fds=fds,
                start_new_session=True,
                umask=job_umask.of_children(),
            )
        except (OSError, ValueError) as error:
            self._close()
            raise BootError(
                f"No process can be started for revision {sha[:12]} in {folder}: {error}"
            ) from error
        finally:
            guard_end.close()
            requests_end.close()
            os.close(output_end)

    def send(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        """Ask for an attempt. Raises TreeGoneError if the zygote is gone."""
        with self._lock:
            if self._retired:
                raise TreeGoneError
            try:
                channel.send(self._requests, message, fds)
            except OSError as error:
                raise TreeGoneError from error

    def free_slot(self) -> socket.socket | None:
        """Take the control socket of a supervisor that waits for an attempt, or None."""
        with self._lock:
            return self._free.pop()[0] if self._free and not self.ended else None

    def give_back(self, control: socket.socket, *, is_new: bool = False) -> None:
        """Keep a supervisor for the next attempt; one of a tree that is let go of ends.

        A new one is taken after those that were there before: it may not have its process yet.
        """
        with self._lock:
            if not self._retired:
                self._free.insert(0 if is_new else len(self._free), (control, time.monotonic()))
                return
        control.close()

    @property
    def free(self) -> int:
        """How many supervisors wait for an attempt."""
        return len(self._free)

    def let_go_of_free(self, waiting: timedelta, keep: int) -> None:
        """End supervisors that have waited so long, but for `keep` of them."""
        edge = time.monotonic() - waiting.total_seconds()
        with self._lock:
            while len(self._free) > keep and self._free[0][1] <= edge:
                self._free.pop(0)[0].close()

    def reply(self, deadline: float, printed: Tail) -> dict[str, Any] | None:
        """Wait for the reply of a boot, and keep the tail of its output.

        Return None if it ended without a reply. Raises TimeoutError.
        """
        reader = channel.FrameReader(channel.REPLY_LIMIT)
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self.output, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, _event in poll.poll(left * 1000 + 1):
                if descriptor == self.output:
                    if not printed.read(self.output):
                        poll.unregister(self.output)
                    continue
                data = self._requests.recv(1 << 16)
                if not data:
                    printed.read(self.output)
                    return None
                for message in reader.feed(data):
                    printed.read(self.output)
                    return message
        raise TimeoutError

    def leave_output(self) -> None:
        """Stop reading what the tree prints; a zygote prints no more once it serves."""
        if self.output >= 0:
            os.close(self.output)
            self.output = -1

    def child_status(self, patience: timedelta) -> int | None:
        """Return the wait status of the guard's child once it ended."""
        with self._lock:
            self._read_guard(time.monotonic() + patience.total_seconds(), wanted="child-ended")
            return self._child_status

    def sweep(self, supervisor: int) -> int:
        """Have the guard kill what a killed supervisor left, and wait until it is gone; return how many."""
        with self._lock:
            try:
                channel.send(self._guard, {"order": "sweep", "supervisor": supervisor})
                swept = self._read_guard(time.monotonic() + SWEEP_PATIENCE.total_seconds(), wanted="swept")
            except OSError:
                return 0
            return int(swept["killed"]) if swept else 0

    def _read_guard(self, deadline: float, *, wanted: str) -> dict[str, Any] | None:
        while (left := deadline - time.monotonic()) > 0:
            if self._child_status is not None and wanted == "child-ended":
                return None
            self._guard.settimeout(left)
            try:
                received = channel.receive(self._guard)
            except (OSError, channel.ChannelError):
                return None
            if received is None:
                return None
            message = received[0]
            if message["event"] == "child-ended":
                self._child_status = message["status"]
            if message["event"] == wanted:
                return message
        return None

    @property
    def ended(self) -> bool:
        """Whether the guard has exited, so nothing of the tree is left."""
        return self.process.poll() is not None

    def retire(self) -> None:
        """Let the zygote go. Attempts that it started go on; the guard ends after the last."""
        with self._lock:
            if not self._retired:
                self._retired = True
                self._requests.close()
        self.let_go_of_free(timedelta(0), keep=0)

    def end(self) -> None:
        """Kill everything in the tree and wait until it is gone."""
        self.retire()
        with contextlib.suppress(OSError):
            self._guard.shutdown(socket.SHUT_RDWR)
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the guard; end it by force when it does not come."""
        try:
            self.process.wait(END_PATIENCE.total_seconds())
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._close()

    def _close(self) -> None:
        self._retired = True
        self._requests.close()
        self._guard.close()
        self.leave_output()


def with_programs(environ: Mapping[str, str], python: Path | None) -> dict[str, str]:
    """Put the folder of an environment's programs first on PATH, for the commands of the bundle."""
    if python is None or python == Path(sys.executable):
        return dict(environ)
    return {**environ, "PATH": os.pathsep.join((str(python.parent), environ.get("PATH") or os.defpath))}


class Tail:
    """The last part of the output of a process, bounded."""

    def __init__(self, size: int = 4000) -> None:
        self._kept = BoundedOutput(last=size)

    def read(self, descriptor: int) -> bool:
        """Take what is there, at most a megabyte at a time; return False at the end of the output."""
        for _ in range(16):
            try:
                data = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._kept.add(data)
        return True

    def __str__(self) -> str:
        return self._kept.last_lines().strip()
