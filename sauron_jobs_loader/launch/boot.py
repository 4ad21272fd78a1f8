"""The reply of a boot: what a revision defines, or why it cannot be loaded, with the place and the fix."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.process.manifest import MANIFEST

from .oom_watch import OomWatch
from .process_tree_handle import ProcessTreeHandle, Tail


@dataclass(frozen=True, slots=True)
class Rejection:
    """A job that its bundle defines and that is left out, with the place of the definition."""

    job_id: str
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a revision defines: the records of its jobs (see `JobConfig.record`).

    `left_behind` names the threads and open handles that loading left behind; the attempts of such a bundle
    are always spawned. `printed` is the end of what loading printed. `files` are those of the bundle that
    were loaded. `remarks` are about its definitions.
    """

    sha: str
    jobs: tuple[dict[str, Any], ...]
    rejected: tuple[Rejection, ...]
    left_behind: tuple[str, ...] = ()
    printed: str = ""
    files: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


def bundle_of(tree: ProcessTreeHandle, sha: str, patience: timedelta) -> Bundle:
    """Wait for the zygote's reply. Raises BootError with the place of the fault and what was printed."""
    printed, oom = Tail(), OomWatch()
    try:
        reply = tree.reply(time.monotonic() + patience.total_seconds(), printed)
    except TimeoutError:
        raise BootError(
            _with_tail(
                f"{MANIFEST} did not finish loading within {patience.total_seconds():g} s. A manifest only"
                " registers jobs: move loops, downloads and waits into the job functions.",
                printed,
            )
        ) from None
    except (OSError, channel.ChannelError) as error:
        raise BootError(
            _with_tail(f"Loading {MANIFEST} broke the loader's own connection: {error}", printed)
        ) from error
    if reply is None:
        raise BootError(_with_tail(_vanished(tree.child_status(timedelta(seconds=5)), oom), printed))
    if reply["event"] == "refused":
        raise BootError(_with_tail(reply["message"], printed))
    rejected = tuple(Rejection(*entry) for entry in reply["rejected"])
    return Bundle(
        sha,
        tuple(reply["jobs"]),
        rejected,
        left_behind=tuple(reply["left_behind"]),
        printed=_besides(str(printed), rejected),
        files=tuple(reply["files"]),
        remarks=tuple(Remark(*one) for one in reply["remarks"]),
    )


def _besides(printed: str, rejected: Sequence[Rejection]) -> str:
    """Return what the bundle printed, without the loader's own lines about jobs that are left out."""
    own = tuple(f"job {one.job_id} at {one.place} is left out: {one.reason}" for one in rejected)
    return "\n".join(line for line in printed.splitlines() if not (own and line.endswith(own)))


def _vanished(status: int | None, oom: OomWatch) -> str:
    how = "its process ended"
    if status is not None and os.WIFSIGNALED(status):
        how = f"its process was killed by signal {os.WTERMSIG(status)}"
    elif status is not None:
        how = f"its process ended with exit code {os.WEXITSTATUS(status)}"
    advice = "Look for os._exit, closed descriptors or a crashing extension module."
    if status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        kills, limit = oom.kills(), oom.limit_mb()
        if kills:
            how += ", most likely by the kernel because memory ran out"
            how += f" (limit {limit} MB)" if limit else ""
        if kills or kills is None:
            advice = "Load less when the manifest is imported, or give Sauron more memory."
    return f"{MANIFEST} did not finish loading: {how}. {advice}"


def _with_tail(message: str, printed: Tail) -> str:
    tail = str(printed)
    return f"{message}\nIt printed at the end:\n{tail}" if tail else message
