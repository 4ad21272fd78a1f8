"""The request for one attempt: what to run, and with what."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.masking import Masker

from .process_tree_handle import TreeGoneError, with_programs

NOTHING_SECRET = Masker(())
START_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class AttemptRequest:
    """What to run, and with what.

    `environ` is added to a forked job's environment and is the whole of a spawned one's.
    `masker` masks secrets in all the job says; `masked_names` are the variables whose values the job
    itself keeps out of mails. `scheduled_for` is ISO 8601. `zygote_environ` is the environment of the zygote,
    if none is up for the revision. `python` is the interpreter of the bundle's environment (None: Sauron's
    own), for a spawned attempt and for such a zygote. `closing` is asked once all processes of the attempt
    have ended; the sentence that it returns is the last line of the output. `memory_mb` and
    `max_processes` are limits of the whole tree. `parents` holds run_id, state and
    result of each job that a run of a chain followed.
    """

    sha: str
    folder: Path
    job_id: str
    run_id: str
    attempt: int
    scheduled_for: str | None
    params: dict[str, Any] | None
    environ: Mapping[str, str]
    secrets: Mapping[str, str]
    spawn: bool
    zygote_environ: Mapping[str, str]
    masker: Masker = NOTHING_SECRET
    masked_names: Collection[str] = ()
    python: Path | None = None
    closing: Callable[[], str | None] = lambda: None
    parents: Mapping[str, Any] = field(default_factory=dict)
    memory_mb: float | None = None
    max_processes: int | None = None


def message_of(request: AttemptRequest, nonce: str, scratch: str) -> dict[str, Any]:
    """Return the request as the supervisor is sent it."""
    # otherwise the job has the PATH of its zygote
    python = request.python if "PATH" in request.environ else None
    return {
        "nonce": nonce,
        "folder": str(request.folder.resolve()),
        "scratch": scratch,
        "job_id": request.job_id,
        "run_id": request.run_id,
        "attempt": request.attempt,
        "scheduled_for": request.scheduled_for,
        "params": request.params,
        "memory_mb": request.memory_mb,
        "max_processes": request.max_processes,
        "parents": dict(request.parents),
        "environ": with_programs(request.environ, python),
        "secrets": dict(request.secrets),
        "masked_names": list(request.masked_names),
    }


def started(control: socket.socket) -> tuple[int, int]:
    """Wait for the supervisor and return its pid and the job's.

    Raises TreeGoneError if nothing started, BootError if refused.
    """
    control.settimeout(START_PATIENCE.total_seconds())
    supervisor = 0
    while True:
        try:
            received = channel.receive(control)
        except TimeoutError as error:
            raise BootError(
                f"No process was started within {START_PATIENCE}. Is the machine out of memory?"
            ) from error
        except (OSError, channel.ChannelError):
            received = None
        if received is None:
            if supervisor:
                return supervisor, supervisor  # the job ended it already; watching will tell
            raise TreeGoneError
        message = received[0]
        if message["event"] == "refused":
            raise BootError(message["message"])
        if message["event"] == "started":
            return supervisor, message["pid"]
        supervisor = message["supervisor"]
