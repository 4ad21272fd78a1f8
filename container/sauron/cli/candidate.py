"""`REF|DIR`: a folder of this machine as it lies, or a name that the bundle's repository has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chalicelib.errors import BundleError

from .client import Client
from .output import waiting

if TYPE_CHECKING:
    from chalicelib.answers.job_set import Candidate


def folder_of(client: Client, target: str | None) -> Path | None:
    """Return the folder that is meant, None for a name. An existing folder is a folder.

    Raises UsageError for a folder that is not there, and for one to compare with a Sauron elsewhere.
    """
    if target is not None and not target.strip():
        raise click.UsageError("The revision or folder is empty. Write one, or leave it out")
    if target is None:
        return None
    folder = Path(target).expanduser()
    if not folder.is_dir():
        if target.startswith((".", "/", "~")):
            raise click.UsageError(f"There is no folder {target}")
        return None
    if client.remote:
        raise click.UsageError(
            f"{target} is a folder, and a folder is compared with the Sauron of this machine. Leave --url "
            f"(and SAURON_URL) out, or push it and name the branch (refs/heads/{folder.name} if it is that)"
        )
    return folder.resolve()


def load(client: Client, folder: Path) -> Candidate:
    """Load a folder as it lies, in a process of its own, which is ended again."""
    from chalicelib.answers.job_set import Candidate
    from chalicelib.bundle.working_tree import WorkingTree
    from sauron_jobs_loader.errors import LoaderError

    settings = client.sauron().settings
    with waiting("Loading the folder"):
        try:
            tree = WorkingTree(folder, settings, now=lambda: datetime.now(UTC))
        except (LoaderError, BundleError) as error:
            return Candidate(to=str(folder), fault=settings.masked(str(error)))
        try:
            return tree.candidate()
        finally:
            tree.close()
