"""The guard: the first process of a bundle's tree, which ends the tree when the runner is gone.

It loads no job code. It forks one child, which is either the zygote of a revision or the supervisor of one
spawned attempt, and waits. When the runner's end of its socket closes, by whatever death, it kills everything
below it; a zygote that hangs in the first line of a manifest cannot prevent that. As an adopter of orphans it
also inherits what a killed zygote or supervisor leaves: supervisors go on (each has a socket of its own to
the runner), what they no longer supervise is killed.

It ends by itself when nothing is left below it. Limit: a job of the same user can kill the guard too; the
zygote and the job then die with their parents, and only daemons that the job started before could outlive it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource  # noqa: F401 - loaded here once for every fork: waiting for children needs it
import select
import signal
import socket
import time
from typing import NoReturn

from sauron_jobs_loader import channel

from . import tree
from .tree import Process

SWEEP_SECONDS = 2.0


def main(arguments: list[str]) -> NoReturn:
    """Guard one child: `zygote|spawn <revision> <guard socket fd> <requests socket fd> [<lock fd>]`."""
    mode, sha, guard_fd, requests_fd, *lock_fds = arguments
    _drop_added_locale()
    runner = socket.socket(fileno=int(guard_fd))
    requests = socket.socket(fileno=int(requests_fd))
    for sock in (runner, requests):
        sock.set_inheritable(False)
    for lock_fd in map(int, lock_fds):  # held open, by this process alone, until all below it is gone
        os.set_inheritable(lock_fd, False)
    tree.adopt_orphans()
    children = tree.watch_children()
    gc.freeze()
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        runner.close()
        for descriptor in (children, *map(int, lock_fds)):
            os.close(descriptor)
        tree.unshield()
        _become_child(mode, sha, requests, guard)
    requests.close()
    tree.shield()
    tree.name_process(f"sauron-guard-{mode[0]}")
    tree.leave_output()
    _Guard(runner, children, child).watch()
    os._exit(0)


def _become_child(mode: str, sha: str, requests: socket.socket, guard: int) -> NoReturn:
    os.setpgid(0, 0)  # a signal to the group of one of us reaches only that one
    if mode == "zygote":
        tree.die_with_parent(guard)
        from .zygote import serve

        serve(sha, requests)
    else:
        from .supervisor import supervise_one

        supervise_one(sha, requests)


def _drop_added_locale() -> None:
    """Remove the LC_CTYPE that Python adds in the C locale (PEP 538): a job's environment is exact."""
    with open("/proc/self/environ", "rb") as given:  # noqa: PTH123 - pathlib would cost every process start
        if not any(entry.startswith(b"LC_CTYPE=") for entry in given.read().split(b"\0")):
            os.environ.pop("LC_CTYPE", None)


class _Guard:
    """The loop of the guard over the runner's socket and the ends of children."""

    def __init__(self, runner: socket.socket, children: int, child: int) -> None:
        self._runner = runner
        self._children = children
        self._child = child
        self._child_gone = False

    def watch(self) -> None:
        """Wait until the runner is gone or nothing is left to guard."""
        poll = select.poll()
        poll.register(self._runner, select.POLLIN)
        poll.register(self._children, select.POLLIN)
        while tree.reap(self._ended) and self._anything_left():
            for descriptor, _event in poll.poll():
                if descriptor == self._children:
                    tree.empty(self._children)
                elif not self._take_order():
                    tree.kill_descendants()
                    return

    def _anything_left(self) -> bool:
        """Return whether anything is left that should be, once what should not be is killed."""
        if not self._child_gone:
            return True
        self._kill_unsupervised()
        return tree.reap(self._ended)

    def _take_order(self) -> bool:
        try:
            received = channel.receive(self._runner)
        except (OSError, channel.ChannelError):
            return False
        if received is None:
            return False
        killed = self._sweep(int(received[0]["supervisor"]))
        return self._tell({"event": "swept", "killed": killed})

    def _tell(self, message: dict[str, object]) -> bool:
        try:
            channel.send(self._runner, message)
        except OSError:
            return False
        return True

    def _sweep(self, supervisor: int) -> int:
        """Kill what a killed supervisor leaves behind: its children are ours once it is a zombie."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while (process := tree.look_at(supervisor)) and process.alive and time.monotonic() < deadline:
            time.sleep(0.0005)
        return self._kill_unsupervised()

    def _kill_unsupervised(self) -> int:
        """Kill our children that are neither the zygote nor a supervisor, with all below them.

        Return how many were killed.
        """
        ours, own_session = os.getpid(), os.getsid(0)

        def stray(process: Process) -> bool:
            if process.parent != ours or process.pid == self._child:
                return False
            return process.session != own_session or process.group != process.pid

        killed: set[int] = set()
        deadline = time.monotonic() + tree.UNKILLABLE_AFTER_SECONDS
        while strays := {p.pid for p in tree.descendants(ours) if p.alive and stray(p)}:
            killed |= tree.signal_descendants(signal.SIGKILL, lambda process: process.pid in strays)
            tree.reap(self._ended)
            if time.monotonic() > deadline:
                break
            time.sleep(0.0005)
        tree.reap(self._ended)
        return len(killed)

    def _ended(self, pid: int, status: int, _usage: object) -> None:
        if pid == self._child:
            self._child_gone = True
            with contextlib.suppress(ValueError):
                self._tell({"event": "child-ended", "status": status})
