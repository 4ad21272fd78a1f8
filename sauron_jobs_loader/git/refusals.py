"""The errors that both sources of a bundle share: names, commits and places that are refused or not found.

No state and no network: the caller has already found out what exists.
"""

import difflib
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.ownership import cure, first_closed, not_readable, not_writable

from .address import GitAddress
from .checkouts import FULL_SHA
from .explain import last_words

_SHOWN_BRANCHES = 10
_BAD_REF = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|/\.|@\{|\.lock(/|$)|[/.]$|^@$|^$")

_BY_CLOSED_FILES = frozenset({SourceFault.STORAGE, SourceFault.FAILED, SourceFault.NOT_A_REPOSITORY})


def checked_ref(ref: str) -> str:
    """Return a valid branch, tag or commit id. Raises SourceError for any other text."""
    lowered = ref.lower()
    if FULL_SHA.fullmatch(lowered):
        return lowered
    if _BAD_REF.search(ref):
        raise SourceError(
            f"{ref!r} is not a valid branch, tag or commit id; write a name such as 'main', or a commit id",
            fault=SourceFault.UNKNOWN_REF,
            ref=ref,
        )
    return ref


def require_full(sha: str) -> None:
    """Raise SourceError unless `sha` is a full commit id."""
    if not FULL_SHA.fullmatch(sha):
        raise SourceError(
            f"{sha!r} is not a full commit id; write all its 40 hexadecimal digits",
            fault=SourceFault.UNKNOWN_REF,
            ref=sha,
        )


def require_local(address: GitAddress) -> None:
    """Raise SourceError if the address is a path that does not exist."""
    path = address.local_path
    try:
        missing = path is not None and not path.exists()
    except PermissionError as error:
        raise unreadable_repository(Path(str(path)), address) from error
    if missing:
        raise SourceError(
            f"{path} does not exist; write the path of a git repository, or create one there with `git init`",
            fault=SourceFault.NOT_A_REPOSITORY,
            url=address.display,
        )


def unknown_ref(ref: str, branches: Sequence[str], url: str, *, rule: str = "") -> SourceError:
    """Return the error that a repository with these branches has no `ref`. `rule` is added at the end."""
    if not branches:
        return SourceError(
            f"the repository {url} has no commits yet; push a first commit to the branch {ref!r}",
            fault=SourceFault.EMPTY,
            url=url,
            ref=ref,
        )
    near = difflib.get_close_matches(ref, branches, n=1)
    shown = ", ".join(branches[:_SHOWN_BRANCHES])
    more = f" and {len(branches) - _SHOWN_BRANCHES} more" if len(branches) > _SHOWN_BRANCHES else ""
    hint = f"; did you mean {near[0]!r}?" if near else "; write one of them"
    return SourceError(
        f"{url} has no branch, tag or commit {ref!r}; its branches are {shown}{more}{hint}{rule}",
        fault=SourceFault.UNKNOWN_REF,
        url=url,
        ref=ref,
    )


def no_commit(sha: str, url: str) -> SourceError:
    """Return the error that a commit does not exist, or that the server does not hand it out."""
    return SourceError(
        f"{url} has no commit {sha}, or does not hand it out because no branch or tag leads to it; "
        "push a branch or tag that contains it, or write another revision",
        fault=SourceFault.UNKNOWN_REF,
        url=url,
        ref=sha,
    )


def unreadable(sha: str, error: Exception, address: GitAddress) -> SourceError:
    """Return the error that the repository lacks a part of a commit."""
    return SourceError(
        f"revision {sha[:12]} of {address.display} cannot be read completely, even from a new copy; "
        f"run `git fsck` in that repository ({address.redact(last_words(str(error)))})",
        url=address.display,
        ref=sha,
    )


def unwritable(root: Path, error: OSError, address: GitAddress) -> SourceError:
    """Return the error that the folder of the revisions cannot be written, or the repository not be read."""
    path = Path(error.filename or root)
    if not path.is_relative_to(root) and error.errno == errno.EACCES:
        return unreadable_repository(path, address)
    return SourceError(
        f"cannot write below {root}: {cure(path, error, below=root)}",
        fault=SourceFault.STORAGE,
        url=address.display,
    )


def unreadable_repository(path: Path, address: GitAddress) -> SourceError:
    """Return the error that a file or folder of the bundle's repository is closed to this user."""
    told = not_readable(path, "permission denied", whole=address.local_path)
    return SourceError(
        f"cannot read {address.display}: {told}", fault=SourceFault.ACCESS, url=address.display
    )


def with_closed_file(error: SourceError, root: Path, address: GitAddress) -> SourceError:
    """Return the error that names the file which is closed to this user, if there is one; else the same."""
    if error.fault not in _BY_CLOSED_FILES:
        return error
    if repository := address.local_path:
        inner = repository / ".git"
        place = inner if os.path.isdir(inner) else repository  # noqa: PTH112 - Path.is_dir may raise
        if closed := first_closed(place, writing=False):
            return unreadable_repository(closed, address)
    for place in (root / "mirror.git", root / "revisions"):
        if closed := first_closed(place, writing=True):
            told = not_writable(closed, "permission denied", below=root)
            return SourceError(
                f"cannot write below {root}: {told}", fault=SourceFault.STORAGE, url=address.display
            )
    return error
