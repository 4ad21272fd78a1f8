"""What loading a bundle left behind that forks must not share: threads, connections, open files, memory.

Forks of one process share each open description: two attempts that use one connection read each other's
answers, and two that read one file share their place in it. Logs that are opened to append are fine, and so
are devices such as /dev/urandom. Memory that is mapped to be shared (a lock or value of multiprocessing) is
one for all attempts, of earlier runs too: a lock that a killed one held stays locked. Limit: only what the
kernel shows is seen, not a lock of threads that is held or a random generator of a module's own (the global
ones of Python and numpy are seeded anew in each attempt).
"""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH115, PTH118, PTH208

from __future__ import annotations

import fcntl
import os
import socket
import stat
import threading

HARMLESS_DEVICES = (
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/pts/",
)
_OPEN = "/proc/self/fd"
_MAPPED = "/proc/self/maps"
_SHARED = "memory that is shared with forks"


def handles() -> dict[int, str]:
    """Return the open descriptors of this process and what the kernel calls each.

    Where memory that forks can write for each other begins, it is in there, too.
    """
    found = _shared_memory()
    for name in os.listdir(_OPEN):
        try:
            found[int(name)] = os.readlink(os.path.join(_OPEN, name))
        except OSError:
            continue  # the descriptor of the listing itself
    return found


def left_since(before: dict[int, str]) -> list[str]:
    """Return what is there since `handles` returned `before`, each as a few words for people."""
    threads = max(len(os.listdir("/proc/self/task")), threading.active_count()) - 1
    found = [] if threads < 1 else ["a thread" if threads == 1 else f"{threads} threads"]
    for descriptor, target in sorted(handles().items()):
        if before.get(descriptor) == target:
            continue
        words = target if target == _SHARED else _words(descriptor, target)
        if words and words not in found:
            found.append(words)
    return found


def _shared_memory() -> dict[int, str]:
    with open(_MAPPED, encoding="utf-8", errors="replace") as maps:  # noqa: PTH123 - no pathlib, as above
        rows = [line.split(maxsplit=2) for line in maps]
    return {int(place.partition("-")[0], 16): _SHARED for place, rights, _ in rows if rights == "rw-s"}


def _words(descriptor: int, target: str) -> str | None:
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISSOCK(mode):
            return _socket(descriptor)
        if stat.S_ISFIFO(mode):
            return "a pipe"
        if stat.S_ISREG(mode):
            appends = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
            return None if appends else f"the open file {target}"
    except OSError:
        return None
    if stat.S_ISDIR(mode) or target.startswith(HARMLESS_DEVICES):
        return None
    return f"the open device {target}" if target.startswith("/") else "an event loop or timer of the kernel"


def _socket(descriptor: int) -> str:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        try:
            return f"a connection to {_address(copy.getpeername())}"
        except OSError:
            pass
        try:
            return f"a socket on {_address(copy.getsockname())}"
        except OSError:
            return "a socket"


def _address(name: object) -> str:
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(name.decode("utf-8", "replace") if isinstance(name, bytes) else name) or "another process"
