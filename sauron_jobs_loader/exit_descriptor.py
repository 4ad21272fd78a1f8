"""A descriptor that becomes readable when a child process ends, to wait for it beside its output."""

from __future__ import annotations

import contextlib
import os
import threading


def exit_descriptor(pid: int) -> int:
    """Return the descriptor for a child that is not reaped yet; the caller closes it.

    It is a pidfd. Where Python or the kernel's filter has none (some builds of Python, some sandboxes), it is
    a pipe whose other end a thread closes when the child has ended; the child is left to be reaped. Raises
    OSError if the process cannot be waited for.
    """
    with contextlib.suppress(AttributeError, OSError):
        return os.pidfd_open(pid)
    return _pipe(pid)


def _pipe(pid: int) -> int:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # raises if it is no child
    ours, theirs = os.pipe()

    def wait() -> None:
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # it was reaped meanwhile
            pass
        finally:
            os.close(theirs)

    threading.Thread(target=wait, name=f"exit-of-{pid}", daemon=True).start()
    return ours
