"""The runner's side of questions that only a process with the bundle loaded can reply to."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.errors import BootError

from .process_tree_handle import ProcessTreeHandle, TreeGoneError

PATIENCE = timedelta(seconds=5)


def params_faults(
    tree: ProcessTreeHandle | None,
    folder: Path,
    *,
    job_id: str,
    params: Mapping[str, Any],
    patience: timedelta = PATIENCE,
) -> list[str]:
    """Ask a tree whether params fit a job's model; return the faults. Raises BootError without a reply."""
    if tree is None:
        raise BootError("The revision's process has ended.")
    asker, asked = socket.socketpair()
    question = {
        "params_question": job_id,
        "params": dict(params),
        "folder": str(folder.resolve()),
        "seconds": patience.total_seconds(),
    }
    with asker:
        try:
            with asked:
                tree.send(question, (asked.fileno(),))
            asker.settimeout(patience.total_seconds() + 1)
            received = channel.receive(asker)
        except (TreeGoneError, OSError, channel.ChannelError) as error:
            raise BootError(f"The model of job {job_id!r} could not be asked about params.") from error
    if received is None:
        raise BootError(f"The model of job {job_id!r} ended without a reply about params.")
    return [str(fault) for fault in received[0]["faults"]]
