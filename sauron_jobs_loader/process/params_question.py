"""The reply to the question whether params fit a job's model, from a process that holds its revision.

The model's validators are the bundle's code, so they run in a fork of their own, with a time limit that the
kernel keeps. A process that breaks or takes too long sends no reply.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import Any, NoReturn

from sauron_jobs_loader import channel, params
from sauron_jobs_loader.registry import job_registry

from . import manifest, tree


def is_one(request: dict[str, Any]) -> bool:
    """Return whether a request is this question, and not one for an attempt."""
    return "params_question" in request


def reply(sha: str, request: dict[str, Any], fds: list[int]) -> NoReturn:
    """Send the faults of the params to the socket in `fds`; never return."""
    try:
        tree.unshield()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        if manifest.loaded() is None:
            manifest.load(request["folder"], sha)
        config = job_registry.require(request["params_question"])
        found = params.faults(config.params, request["params"])
        with contextlib.suppress(OSError), socket.socket(fileno=fds[0]) as asker:
            channel.send(asker, {"faults": found})
    finally:
        os._exit(0)
