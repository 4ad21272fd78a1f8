"""Which process the kernel kills when memory runs out: a job, then its zygote, before the runner.

The kernel takes the process with the highest sum of its memory and its `oom_score_adj`, in thousandths of all
memory. Children inherit the score, so the children and commands of a job are killed before the runner too.

Limit: where the score cannot be written, nothing changes. A job may lower its own score again.
"""

from __future__ import annotations

import contextlib

ZYGOTE = 400
JOB = 800
STEP = 100  # above the score of the process that starts this one, if that has a high one already
HIGHEST = 1000


def raise_to(score: int, *, file: str = "/proc/self/oom_score_adj") -> None:
    """Raise this process's score to `score`, or above the one it inherited; never lower it."""
    with contextlib.suppress(OSError, ValueError), open(file, "r+b", buffering=0) as own:  # noqa: PTH123 - pathlib would cost every job's start
        inherited = int(own.read(16))
        own.write(b"%d" % min(HIGHEST, max(score, inherited + STEP)))
