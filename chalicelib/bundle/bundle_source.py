"""The bundle's repository: read with git where there is one, its checkouts, and what is to say of a tree."""

from __future__ import annotations

import contextlib
import shutil
from functools import cached_property
from pathlib import Path

from chalicelib import logs
from chalicelib.errors import BundleError
from chalicelib.settings import Settings
from sauron_jobs_loader.bundle_folder import bundle_folder
from sauron_jobs_loader.checks import all_checks
from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.checks.tree import BundleTree
from sauron_jobs_loader.errors import LoaderError, SourceError
from sauron_jobs_loader.git.checkouts import FULL_SHA, Checkouts
from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from sauron_jobs_loader.launch.launcher import Bundle
from sauron_jobs_loader.launch.process_tree_handle import with_programs
from sauron_jobs_loader.launch.remarks import of_loading

from .key_files import KeyFiles
from .revision_folders import RevisionFolders

log = logs.get(__name__)


class BundleSource:
    """The repository that the settings name. Its methods raise errors of the loader, and BundleError."""

    def __init__(self, settings: Settings, key_files: KeyFiles, checkouts: Checkouts) -> None:
        """Build from settings, without touching git."""
        self._settings = settings
        self._key_files = key_files
        self.folders = RevisionFolders(checkouts, lambda: self.git if settings.jobs_git_repo_url else None)

    @cached_property
    def git(self) -> GitSource | DulwichSource:
        """What reads the repository: with a git binary where there is one."""
        settings = self._settings
        kind: type[GitSource | DulwichSource] = GitSource if shutil.which("git") else DulwichSource
        return kind(
            settings.jobs_git_repo_url or "",
            root=settings.jobs_dir,
            branch=settings.jobs_git_branch,
            token=settings.jobs_git_token,
            ssh_key_file=self._key_files.key(),
            known_hosts_file=self._key_files.known_hosts(),
            timeout=settings.git_timeout,
        )

    @property
    def followed(self) -> str | None:
        """The branch that syncs follow; None if none is configured and nothing was fetched yet."""
        with contextlib.suppress(LoaderError):
            return self.git.followed
        return None

    @property
    def display_url(self) -> str | None:
        """The bundle's address without credentials; None without one that can be read."""
        with contextlib.suppress(LoaderError):
            return self.git.display_url if self._settings.jobs_git_repo_url else None
        return None

    def folder(self, sha: str) -> Path:
        """Return the bundle's folder in the checkout of a revision. Raises BootError without a manifest."""
        return bundle_folder(self.folders.path(sha), self._settings.jobs_git_subdir)

    def remarks(self, sha: str, bundle: Bundle | None = None, python: Path | None = None) -> list[Remark]:
        """Return what the author of a revision should know, also of how it loaded.

        `python` is the interpreter of the revision's environment, whose programs its commands find. A check
        that fails costs no sync.
        """
        found = of_loading(bundle) if bundle else []
        jobs, loaded = (bundle.jobs, bundle.files) if bundle else ((), ())
        path = with_programs(self._settings.environ, python).get("PATH", "")
        with contextlib.suppress(LoaderError, BundleError):
            folder, top = self.folder(sha), self.folders.path(sha)
            try:
                tree = BundleTree(folder, top, committed=True, jobs=jobs, loaded=loaded, path=path)
                found += all_checks.remarks(tree)
            except Exception:
                log.exception("bundle.check_failed", sha=sha)
        return found


def without_ref(error: SourceError) -> str:
    """Return what git said without the `ref` of a caller: masked, it would tell whether it is a secret."""
    text = str(error)
    if error.ref:
        text = text.replace(repr(error.ref), "<ref>")
        if FULL_SHA.fullmatch(error.ref):
            text = text.replace(error.ref, "<ref>").replace(error.ref[:12], "<ref>")
    return text
