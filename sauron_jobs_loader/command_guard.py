"""Run one command and end it, with all its children, when the process that asked for it is gone.

This file is executed as a script, in a process group of its own. Its standard input is a pipe that the asking
process holds open. The end of that pipe (closed at a time limit, or by the death of the asking process,
`kill -9` included) ends the whole process group: TERM, a second, KILL. Needs the standard library alone.
"""

import contextlib
import math
import os
import select
import signal
import sys
import time
from collections.abc import Sequence

GRACE_SECONDS = 1.0
KILL_AFTER_SECONDS = 3.0
"""When the asking process kills the group itself: the grace, and slack for a busy machine."""

NOT_FOUND = 127
OOM_SCORE = 400


def guarded(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` under this guard."""
    return [sys.executable, "-I", "-S", __file__, *command]


def main(command: list[str]) -> int:
    """Run `command` until it or standard input ends; return its exit code as a shell does (128 + signal)."""
    _be_killed_before_the_runner()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):  # TERM is meant for the group
        signal.signal(number, lambda *_: None)  # unlike SIG_IGN, a handler is not inherited
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        return NOT_FOUND
    if not _ended(child, woken, 0):
        os.killpg(0, signal.SIGTERM)
        _ended(child, woken, None, seconds=GRACE_SECONDS)
        os.killpg(0, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _ended(child: int, woken: int, stop: int | None, *, seconds: float = math.inf) -> bool:
    """Wait until `child` has ended and return True; return False if `stop` ends first, or after `seconds`.

    `woken` becomes readable with every signal, the end of the child among them.
    """
    until = time.monotonic() + seconds
    watched = [woken] if stop is None else [woken, stop]
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        left = until - time.monotonic()
        ready, _, _ = select.select(watched, [], [], None if left == math.inf else max(0.0, left))
        if woken in ready:
            os.read(woken, 1024)
        elif stop in ready or not ready:
            return False
    return True


def _be_killed_before_the_runner() -> None:
    """Raise the own `oom_score_adj`, which children inherit: when memory runs out, they are killed first."""
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/oom_score_adj", "r+b", buffering=0) as own,  # noqa: PTH123 - pathlib would cost every command's start
    ):
        own.write(b"%d" % max(OOM_SCORE, int(own.read(16))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
