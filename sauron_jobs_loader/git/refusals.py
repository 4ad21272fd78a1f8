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

_BY_CLOSED_FILES = frozenset(
    {SourceFault.STORAGE, SourceFault.FAILED, SourceFault.DAMAGED, SourceFault.NOT_A_REPOSITORY}
)


def checked_ref(ref: str, *, setting: str = "") -> str:
    """Return a valid branch, tag or commit id. Raises SourceError for any other text, from `setting`."""
    lowered = ref.lower()
    if FULL_SHA.fullmatch(lowered):
        return lowered
    if _BAD_REF.search(ref):
        raise SourceError(
            f"{ref!r} is not a valid branch, tag or commit id; write a name such as 'main', or a commit id"
            + (f", as {setting}" if setting else ""),
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
            f"{path} does not exist; set JOBS_GIT_REPO_URL to the path of a git repository, "
            "or create one there with `git init`",
            fault=SourceFault.NOT_A_REPOSITORY,
            url=address.display,
        )


def unknown_ref(
    ref: str,
    branches: Sequence[str],
    url: str,
    *,
    tags: Sequence[str] = (),
    loose: str | None = None,
    configured: bool = False,
    rule: str = "",
) -> SourceError:
    """Return the error that a repository with these branches and tags has no `ref`.

    `loose` is a commit that HEAD is at and no branch; `configured` says that the name is JOBS_GIT_BRANCH;
    `rule` is added at the end.
    """
    if not branches:
        return _without_branches(url, tags, loose, ref=ref)
    meant = _meant(ref, [*branches, *tags])
    hint = f"did you mean {meant!r}?" if meant else "write one of them"
    if configured:
        one = meant or (branches[0] if len(branches) == 1 else None)
        hint = f"set JOBS_GIT_BRANCH={one}" if one else "set JOBS_GIT_BRANCH to one of them"
        hint = f"did you mean {meant!r}? S{hint[1:]}" if meant else hint
    return SourceError(
        f"{url} has no branch, tag or commit {ref!r}; its branches are {_shown(branches)}; {hint}{rule}",
        fault=SourceFault.UNKNOWN_REF,
        url=url,
        ref=ref,
    )


def no_default(
    head: str | None, branches: Sequence[str], tags: Sequence[str], url: str, *, usual: str | None
) -> SourceError:
    """Return the error that it is not clear which branch to follow: `head` has no commit, nor has `usual`."""
    if not branches:
        return _without_branches(url, tags, None, ref=head or usual or "main")
    names = f"its HEAD names the branch {head!r}, which it does not have" if head else "its HEAD names none"
    lacks = f"has no branch {usual!r}, and " if usual else "is given without a branch, but "
    hint = f"={branches[0]}" if len(branches) == 1 else " to one of them"
    return SourceError(
        f"{url} {lacks}{names}; its branches are {_shown(branches)}; set JOBS_GIT_BRANCH{hint}",
        fault=SourceFault.UNKNOWN_REF,
        url=url,
        ref=head,
    )


def _without_branches(url: str, tags: Sequence[str], loose: str | None, *, ref: str) -> SourceError:
    if loose:
        return SourceError(
            f"{url} has no branch, but its HEAD is at commit {loose[:12]}, as in the working copy of a CI "
            "system; leave JOBS_GIT_BRANCH unset to follow that, or write the address it was cloned from",
            fault=SourceFault.UNKNOWN_REF,
            url=url,
            ref=ref,
        )
    if tags:
        return SourceError(
            f"{url} has no branch, only tags: {_shown(tags)}; "
            "set JOBS_GIT_BRANCH to one of them, or push a branch",
            fault=SourceFault.UNKNOWN_REF,
            url=url,
            ref=ref,
        )
    return SourceError(
        f"the repository {url} has no commits yet; push a first commit to the branch {ref!r}",
        fault=SourceFault.EMPTY,
        url=url,
        ref=ref,
    )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_BRANCHES} more" if len(names) > _SHOWN_BRANCHES else ""
    return ", ".join(names[:_SHOWN_BRANCHES]) + more


def _meant(ref: str, names: Sequence[str]) -> str | None:
    """Return the name that was probably meant: written with its remote or its kind, or mistyped."""
    last = ref
    while not (last in names or "/" not in last):
        last = last.partition("/")[2]  # origin/main, remotes/origin/main, heads/main, tags/v1
    if last in names:
        return last
    return next(iter(difflib.get_close_matches(ref, names, n=1)), None)


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
