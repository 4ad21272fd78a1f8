"""Close this process's memory and environment to other processes of the same user, such as jobs.

Both hold Sauron's credentials. Programs that are started from here are open again, so a job may look into its
own processes. Limit: root may look into every process, and a file that holds a credential is not closed.
"""

from __future__ import annotations

import sys

_PR_SET_DUMPABLE = 4


def close_memory() -> None:
    """Let only root read /proc/<pid>/environ and mem of this process, and trace it; no core dump is written.

    Does nothing where the system does not know it or refuses it: it is one wall among others.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
