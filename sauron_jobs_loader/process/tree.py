"""Process trees: adopt orphans, die with the parent, find every descendant and end it.

A process that called `adopt_orphans` becomes the parent of every descendant whose own parent ended, also of
daemons in sessions of their own, so "no child is left" means "nothing of the tree is left". Limit: a process
in an uninterruptible wait (a dead network disk) cannot be killed; after a bounded time it is given up.
"""
# this is loaded before every job, pathlib would cost it a few milliseconds
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl

UNKILLABLE_AFTER_SECONDS = 10.0
REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS})  # by a sandbox's filter of system calls
FROM_OUTSIDE = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGTSTP,
)
"""Signals that our own processes ignore (their sockets say when to end); a job has their defaults."""

Children = dict[int, list["Process"]]
"""The children of processes, by pid."""

OnExit = Callable[[int, int, Any], None]
"""Told (pid, wait status, resource usage) of every child that ended."""

_led: list[int] = []  # the session that `lead` named, where orphans are not adopted
_refused: set[int] = set()  # options of prctl


class Process(NamedTuple):
    """One line of /proc/<pid>/stat."""

    pid: int
    state: str
    parent: int
    group: int
    session: int

    @property
    def alive(self) -> bool:
        """Whether it can still do anything."""
        return self.state not in "ZX"


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs (PR_SET_CHILD_SUBREAPER). Not inherited.

    Where a sandbox refuses it, orphans are found by the session that `lead` names, so a daemon that made a
    session of its own is not ended.
    """
    _asked(_PR_SET_CHILD_SUBREAPER, 1)


def lead(session: int) -> None:
    """Count this session's processes as descendants where orphans are not adopted; one session at a time."""
    if _PR_SET_CHILD_SUBREAPER in _refused:
        _led[:] = [session]


def die_with_parent(parent: int) -> None:
    """Be killed when the parent, which has one thread, ends (PR_SET_PDEATHSIG), or now if it has ended.

    Where a sandbox refuses it, the guard ends it.
    """
    _asked(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def name_process(name: str) -> None:
    """Show this name in `ps` and `top` (at most 15 characters)."""
    _prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def _asked(option: int, value: int) -> None:
    if not _prctl(option, value, 0, 0, 0):
        return
    if ctypes.get_errno() not in REFUSED:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
    _refused.add(option)


def look_at(pid: int) -> Process | None:
    """Read one process; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]))


def children() -> Children:
    """Return the children of each process that has some: one pass over /proc, a snapshot with races."""
    below: Children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := look_at(int(entry))):
            below.setdefault(process.parent, []).append(process)
    return below


def descendants(root: int, below: Children | None = None) -> list[Process]:
    """Find all descendants of a process, children before grandchildren; by default of this moment."""
    below = children() if below is None else below
    found: list[Process] = []
    queue = [root]
    while queue:
        for process in below.get(queue.pop(), ()):
            found.append(process)
            queue.append(process.pid)
    if _led:
        known = {root, *(process.pid for process in found)}
        everywhere = [process for some in below.values() for process in some]
        found += [one for one in everywhere if one.session in _led and one.alive and one.pid not in known]
    return found


def reap(on_exit: OnExit | None = None) -> bool:
    """Collect every child that has ended; return whether any child is left."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if on_exit:
            on_exit(pid, status, usage)


def signal_descendants(number: int, which: Callable[[Process], bool] = lambda _: True) -> set[int]:
    """Send a signal to every live descendant that `which` picks and all below it; return their pids."""
    chosen: set[int] = set()
    for process in descendants(os.getpid()):
        if not (process.parent in chosen or which(process)):
            continue
        chosen.add(process.pid)
        if process.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)
    return chosen


def kill_descendants(on_exit: OnExit | None = None) -> set[int]:
    """KILL and collect everything below this process until nothing is left; return the pids killed."""
    killed: set[int] = set()
    give_up = time.monotonic() + UNKILLABLE_AFTER_SECONDS
    pause = 0.0002
    while (reap(on_exit) or (_led and descendants(os.getpid()))) and time.monotonic() < give_up:
        for process in descendants(os.getpid()):
            if process.alive:
                killed.add(process.pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
    return killed


def watch_children() -> int:
    """Make the end of a child readable: return a descriptor to poll, to be emptied by reading it."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, _noticed)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _noticed(_number: int, _frame: object) -> None:
    """Exist: the kernel's signal reaches the wake-up descriptor only through a handler."""


def empty(descriptor: int) -> None:
    """Read what a wake-up descriptor holds, without waiting."""
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 512):
            pass


def leave_output() -> None:
    """Read nothing and print nowhere from here on."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def shield() -> None:
    """Ignore the signals that anybody may send us by mistake; our sockets say when to end."""
    for number in FROM_OUTSIDE:
        signal.signal(number, signal.SIG_IGN)


def unshield() -> None:
    """Give a job the signals as a fresh Python has them."""
    if (writer := signal.set_wakeup_fd(-1)) != -1:
        os.close(writer)
    for number in FROM_OUTSIDE:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
