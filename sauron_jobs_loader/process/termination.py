"""SIGTERM while a job function runs: an exception, so that its `finally` runs and its context managers leave.

The supervisor sends SIGTERM at a timeout and a stop, and SIGKILL after the grace. A job may set a handler of
its own. A child that the job forked ends by the signal, as it would without a handler.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

_TERM = (signal.SIGTERM,)


class Terminated(SystemExit):
    """The job was asked to end. As SystemExit it passes `except Exception`, and ends an event loop."""


def end_by_signal() -> None:
    """End this process as SIGTERM does where nothing handles it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Raise Terminated at the first SIGTERM in this block, in this process alone; let the next ones pass.

    A process that it leaves then calls `end_by_signal`, as whoever sent the signal expects. It is entered
    once in the life of a process.
    """
    came: list[bool] = []
    before: list[set[signal.Signals | int]] = []  # the signals that were blocked before a fork

    def handle(_number: int, _frame: object) -> None:
        if not came:
            came.append(True)
            raise Terminated(128 + signal.SIGTERM)

    def ours() -> bool:
        return signal.getsignal(signal.SIGTERM) is handle

    def block() -> None:
        before[:] = [signal.pthread_sigmask(signal.SIG_BLOCK, _TERM)] if ours() else []

    def unblock() -> None:
        if before:
            signal.pthread_sigmask(signal.SIG_SETMASK, before.pop())

    def default() -> None:
        if ours():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    # a new process forgets the signals that came before it was told that it is one
    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=default)
    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        if ours():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
