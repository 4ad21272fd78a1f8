"""Write one commit of a mirror into a folder that is complete or does not exist.

The tree is written beside its place, made durable and renamed. So a crash leaves a `.tmp` folder (pruned
later), and two exports at once leave one complete folder. Files come out as in a fresh clone: export-ignore
is not applied, no filter program runs, submodules stay empty folders. A commit with a symbolic link that
leaves the tree is refused.
"""

import ctypes
import errno
import os
import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.removal import remove_folder

from . import snapshot
from .checkouts import snapshot_of
from .command import GitResult
from .limits import TreeCount, TreeLimits, reader_of_ls_tree


class RunGit(Protocol):
    """Runs git with the arguments and the additional environment, and returns how it ended."""

    def __call__(
        self,
        arguments: Sequence[str],
        extra: dict[str, str],
        take: Callable[[bytes], None] | None = None,
        /,
    ) -> GitResult:
        """Run git. `take` gets its output in pieces instead of the result."""


class DamagedMirrorError(Exception):
    """The mirror lacks a part of the commit, or cannot read it."""


class TookTooLongError(Exception):
    """Writing the commit took longer than a fetch may."""


def export(
    sha: str,
    *,
    git_dir: Path,
    final: Path,
    run: RunGit,
    limits: TreeLimits | None = None,
    anew: bool = False,
) -> Path:
    """Write commit `sha` to `final` and return it; with `anew` in place of the folder that is there.

    Raises DamagedMirrorError if git cannot read it completely, OSError if it cannot be written,
    TookTooLongError, and SourceError for a tree that is refused.
    """
    count = TreeCount(sha, limits or TreeLimits())
    listing = ["ls-tree", "-r", "-t", "-l", "-z", "--full-tree", sha]
    _checked(run(listing, {"GIT_DIR": str(git_dir.absolute())}, reader_of_ls_tree(count)), git_dir)
    temporary = final.with_name(f"{sha}.{uuid.uuid4().hex}.tmp")
    tree = temporary / "tree"
    tree.mkdir(parents=True)
    try:
        environ = {
            "GIT_DIR": str(git_dir.absolute()),
            "GIT_WORK_TREE": str(tree.absolute()),
            "GIT_INDEX_FILE": str(temporary.absolute() / "index"),
        }
        for arguments in (["read-tree", sha], ["checkout-index", "--all", "--quiet"]):
            _checked(run(arguments, environ), tree)
        refuse_escaping_links(tree, sha)
        make_durable(tree)
        publish(tree, final, anew=anew)
    finally:
        remove_folder(temporary)
    return final


def _checked(result: GitResult, place: Path) -> None:
    if re.search("No space left|Disk quota exceeded", result.stderr):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))
    if result.timed_out:
        raise TookTooLongError
    if not result.ok:
        raise DamagedMirrorError(result.stderr)


def refuse_escaping_links(tree: Path, sha: str) -> None:
    """Raise SourceError if a symbolic link below `tree` leads out of it, directly or over other links."""
    inside = tree.resolve()
    for folder, folders, files in os.walk(tree):
        folders.sort()  # the same link is named on every file system
        for name in (*folders, *sorted(files)):
            link = Path(folder) / name
            if not link.is_symlink():
                continue
            target = link.readlink()
            if not target.is_absolute() and Path(os.path.realpath(link)).is_relative_to(inside):
                continue
            raise SourceError(
                f"revision {sha[:12]} holds the link {str(link.relative_to(tree))!r} to "
                f"{str(target)!r}, which "
                "leaves the bundle; put the file itself into the repository, "
                "or link to a relative path inside it",
                fault=SourceFault.UNSAFE_CONTENT,
                ref=sha,
            )


def publish(tree: Path, final: Path, *, anew: bool = False) -> None:
    """Give a complete tree its final name, and note how its files are.

    If another process was faster, its equal tree stays. With `anew` the folder of that name is set aside:
    attempts that run in it keep it until the next pruning.
    """
    snapshot.save(snapshot_of(final), tree)
    _end_the_search_for_settings(final.parent.parent)
    if anew:
        with suppress(OSError):
            final.rename(final.with_name(f"{final.name}.{uuid.uuid4().hex}.gone"))
    try:
        tree.rename(final)
    except OSError:
        if not final.is_dir():  # another process was faster, and its tree is the same
            raise
        return
    folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _end_the_search_for_settings(root: Path) -> None:
    """Put an empty `.env` above the revisions.

    A library that looks for one in every folder above a job would else find that of whoever started Sauron,
    which holds Sauron's own credentials.
    """
    with suppress(OSError):
        (root / ".env").open("ab").close()


def make_durable(tree: Path) -> None:
    """Write the whole tree to disk with one call. A call for each of thousands of files takes seconds."""
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(AttributeError):  # a C library without syncfs
            if ctypes.CDLL(None, use_errno=True).syncfs(folder) == 0:
                return
        os.sync()
    finally:
        os.close(folder)
