"""Following a run's log until the run is over.

The log is asked for from where it was last read: often while something comes, seldom while nothing does. The
state is read with each answer, and a final state means that the text before it was whole, so nothing is
missed and nothing shown twice.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

from chalicelib.model.runs import FINAL

from .client import Client, LogPart, path
from .output import waiting

SOON_SECONDS, SELDOM_SECONDS, SLOWER = 0.1, 1.0, 1.3


def follow(asked: Client, run_id: str, *, show_text: bool = True) -> Any:
    """Write a run's log as it grows; return the run when it is over."""
    with contextlib.ExitStack() as quiet:
        quiet.enter_context(waiting(f"Waiting for run {run_id} to write something"))
        after, pause = "0", SOON_SECONDS
        while True:
            part: LogPart = asked.log(run_id, after)
            after = part.after
            if part.text:
                quiet.close()
                pause = SOON_SECONDS
                if show_text:
                    sys.stdout.write(part.text)
                    sys.stdout.flush()
            if part.more:
                continue
            if part.state in FINAL:
                return asked.get(path("runs", run_id))
            time.sleep(pause)
            pause = min(pause * SLOWER, SELDOM_SECONDS)
