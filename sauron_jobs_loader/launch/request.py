"""The request for one attempt: what to run, and with what."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sauron_jobs_loader.masking import Masker

from .process_tree_handle import with_programs

NOTHING_SECRET = Masker(())


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


def limits_of(request: AttemptRequest) -> dict[str, float | None]:
    """Return the limits of the tree as the supervisor is told them."""
    return {"memory_mb": request.memory_mb, "max_processes": request.max_processes}


def message_of(request: AttemptRequest, nonce: str, scratch: str) -> dict[str, Any]:
    """Return the request as the job's process is sent it."""
    # otherwise the job has the PATH of its zygote
    python = request.python if "PATH" in request.environ else None
    return {
        "nonce": nonce,
        "folder": os.path.realpath(request.folder),  # pathlib takes twice as long
        "scratch": scratch,
        "job_id": request.job_id,
        "run_id": request.run_id,
        "attempt": request.attempt,
        "scheduled_for": request.scheduled_for,
        "params": request.params,
        "parents": dict(request.parents),
        "environ": with_programs(request.environ, python),
        "secrets": dict(request.secrets),
        "masked_names": list(request.masked_names),
    }
