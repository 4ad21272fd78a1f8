"""A Sauron as Lambda's functions build it, in this process: it sends its runs to a queue of SQS."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from chalicelib.settings import Settings
from chalicelib.wiring import LAMBDA, Sauron, build
from tests.conftest import ManualClock
from tests.e2e.outside import Repository


def sauron_on_queue(
    folder: Path, empty_store: Path, clock: ManualClock, manifest: str, queue_url: str
) -> Sauron:
    """Return it with a bundle of this manifest in force, after its first tick; the caller closes it."""
    shutil.copy(empty_store, folder / "s.sqlite3")
    repository = Repository(folder / "bundle")
    repository.commit({"manifest.py": manifest})
    known = {
        "JOB_QUEUE_DB_URL": f"sqlite:///{folder}/s.sqlite3",
        "JOBS_DIR": f"{folder}/jobs",
        "JOBS_GIT_REPO_URL": str(repository.folder),
        "SAURON_SQS_QUEUE_URL": queue_url,
        "PATH": os.environ["PATH"],
    }
    made = build(Settings.read(known), clock=clock, runtime=LAMBDA)
    assert made.bundle.sync().success
    made.duties.tick()
    return made
