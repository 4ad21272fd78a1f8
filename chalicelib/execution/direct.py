"""A job in the foreground, without queue or record: `sauron run ID --direct`."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run, Verdict

from .verdict import AttemptFacts, judge
from .worker import Launcher


def run_direct(
    launcher: Launcher,
    run: Run,
    spec: JobSpec,
    *,
    on_output: Callable[[bytes], None],
    on_state: Callable[..., Any],
) -> Verdict:
    """Execute a job here and return its verdict. Ctrl-C ends its process tree and is raised again.

    `on_state` serves the job's durable state: it is given (job id, operation, key, value).
    """
    attempt = launcher.start(run, spec)
    ended: list[AttemptFacts] = []

    def watch() -> None:
        ended.append(
            attempt.watch(
                timeout=spec.timeout,
                on_output=on_output,
                on_progress=lambda _fraction, _note: None,
                on_state=functools.partial(on_state, run.job_id),
            )
        )

    thread = threading.Thread(target=watch, name="direct")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(60)
    except KeyboardInterrupt:
        attempt.stop("interrupted")
        thread.join()
        raise
    return judge(ended[0], timeout=spec.timeout)
