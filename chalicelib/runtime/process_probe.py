"""Try what Sauron asks of the system to end a job's processes; print what is refused.

This file is executed as a script, so that nothing it does touches the process that asks. It prints one JSON
object: each call by its name, with null where it works and the reason where it does not. Needs the standard
library alone.
"""

import ctypes
import json
import os
import socket
from collections.abc import Callable

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _NO_SIGNAL = 1, 36, 0


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _fork_in_a_session() -> None:
    child = os.fork()
    if child == 0:
        os.setsid()
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError(1, "setsid was refused")


def _read_proc() -> None:
    with open(f"/proc/{os.getppid()}/stat", "rb") as stat:  # noqa: PTH123 - the standard library's shortest way
        stat.read()


def _unix_socket() -> None:
    for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET):
        one.close()


CALLS: dict[str, Callable[[], object]] = {
    "adopting orphans (prctl)": lambda: _prctl(_PR_SET_CHILD_SUBREAPER, 1),
    "dying with the parent (prctl)": lambda: _prctl(_PR_SET_PDEATHSIG, _NO_SIGNAL),
    "fork and setsid": _fork_in_a_session,
    "reading /proc": _read_proc,
    "Unix sockets": _unix_socket,
}


def main() -> None:
    """Try every call."""
    refused: dict[str, str | None] = {}
    for name, call in CALLS.items():
        try:
            call()
            refused[name] = None
        except (OSError, AttributeError) as error:
            refused[name] = str(error)
    print(json.dumps(refused))  # noqa: T201 - its output is its answer


if __name__ == "__main__":
    main()
