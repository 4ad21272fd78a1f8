"""The errors that both sources of a bundle share: names, commits and places that are refused or not found.

No state and no network: the caller has already found out what exists.
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.ownership import cure

from .address import GitAddress
from .checkouts import FULL_SHA
from .explain import last_words

_SHOWN_BRANCHES = 10
_BAD_REF = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|/\.|@\{|\.lock(/|$)|[/.]$|^@$|^$")


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
    if (path := address.local_path) is not None and not path.exists():
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


def unwritable(place: Path, error: OSError, url: str) -> SourceError:
    """Return the error that the folder of the revisions cannot be written."""
    return SourceError(
        f"cannot write below {place}: {cure(Path(error.filename or place), error, below=place)}",
        fault=SourceFault.STORAGE,
        url=url,
    )
