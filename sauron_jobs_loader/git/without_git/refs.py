"""The branches and tags of a repository, as it lists them, and what its HEAD is at."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from sauron_jobs_loader.git.checkouts import FULL_SHA
from sauron_jobs_loader.git.default_branch import DEFAULT, Head

ABBREVIATED = re.compile(r"[0-9a-f]{7,39}")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
PREFIXES = (_HEADS.encode(), _TAGS.encode())
HEAD = b"HEAD"
_PEELED = b"^{}"


class ListedRefs:
    """Commit ids by full names such as `refs/heads/main`. It asks nobody."""

    def __init__(self, commits: Mapping[str, str], head: Head, known: Collection[str]) -> None:
        """Hold `commits` and `head`; an abbreviated id may also be the beginning of a `known` commit id."""
        self._commits = commits
        self._head = head
        self._known = known

    def resolve(self, ref: str) -> str | None:
        """Return the full commit id of a branch, a tag, a full ref name or an (abbreviated) commit id."""
        names = [ref] if ref.startswith("refs/") else [f"{_HEADS}{ref}", f"{_TAGS}{ref}"]
        if found := next((self._commits[name] for name in names if name in self._commits), None):
            return found
        if not ABBREVIATED.fullmatch(beginning := ref.lower()):
            return None
        known = {*self._known, *self._commits.values()}
        matching = [sha for sha in known if sha.startswith(beginning) and FULL_SHA.fullmatch(sha)]
        return matching[0] if len(matching) == 1 else None

    def branches(self) -> list[str]:
        """Return the names of all branches."""
        return self._below(_HEADS)

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        return self._below(_TAGS)

    def head(self) -> Head:
        """Return what HEAD is at."""
        return self._head

    def _below(self, prefix: str) -> list[str]:
        return sorted(name.removeprefix(prefix) for name in self._commits if name.startswith(prefix))


def listed(
    advertised: Mapping[Any, bytes | None], symrefs: Mapping[Any, bytes], known: Collection[str]
) -> ListedRefs:
    """Return the refs from a server's list. It names the commit of an annotated tag by a line of its own."""
    found = {name: sha for name, sha in advertised.items() if sha is not None and name.startswith(PREFIXES)}
    peeled = {name.removesuffix(_PEELED): sha for name, sha in found.items() if name.endswith(_PEELED)}
    plain = {name: sha for name, sha in found.items() if not name.endswith(_PEELED)}
    commits = {os.fsdecode(name): sha.decode("ascii") for name, sha in (plain | peeled).items()}
    return ListedRefs(commits, _head(commits, advertised.get(HEAD), symrefs.get(HEAD)), known)


def _head(commits: Mapping[str, str], sha: bytes | None, target: bytes | None) -> Head:
    at = None if sha is None else sha.decode("ascii")
    if target is not None:
        return Head(os.fsdecode(target).removeprefix(_HEADS), at)
    # a server that does not say which branch HEAD is at: as git does, one at the same commit
    heads = {name.removeprefix(_HEADS): one for name, one in commits.items() if name.startswith(_HEADS)}
    alike = [name for name, one in heads.items() if one == at]
    usual = [name for name in (DEFAULT, "master", *sorted(alike)) if name in alike]
    return Head(usual[0] if usual else None, at)
