"""Follow a run's log until the run is over.

Each request reads from the position where the last one ended. The pause between requests is short while
output arrives and grows while none does. Each response also has the run's state; a final state means that
the log up to there is complete, so nothing is missed and nothing is shown twice.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

from chalicelib.model.runs import FINAL

from .client import Client, LogPart, path
from .job_output import JobOutput
from .output import waiting

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_GROWTH = 0.1, 1.0, 1.3


def follow(client: Client, run_id: str, *, show_text: bool = True, raw: bool = False) -> Any:
    """Print a run's log as it grows; return the run when it is over."""
    output = JobOutput(sys.stdout, raw=raw)
    with contextlib.ExitStack() as quiet, contextlib.ExitStack() as ending:
        if show_text:
            ending.callback(output.end)
        quiet.enter_context(waiting(f"Waiting for output of run {run_id}"))
        after, pause = "0", SHORTEST_PAUSE_SECONDS
        while True:
            part: LogPart = client.log(run_id, after)
            after = part.after
            if part.text:
                quiet.close()
                pause = SHORTEST_PAUSE_SECONDS
                if show_text:
                    output.write(part.text)
            if part.more:
                continue
            if part.state in FINAL:
                return client.get(path("runs", run_id))
            time.sleep(pause)
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
