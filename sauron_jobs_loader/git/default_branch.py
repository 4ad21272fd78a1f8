"""Which branch is followed where none is configured: `main` if it is there, else what HEAD names.

That is what `git clone` does, but for `main`, which was the default before. A HEAD at a commit of no branch,
as in the working copy of a CI system, is followed as such; its name is then `HEAD`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .refusals import no_default, unknown_ref

DEFAULT = "main"
HEAD = "HEAD"


@dataclass(frozen=True, slots=True)
class Head:
    """What the HEAD of a repository is at: a branch, which may have no commit yet, and the commit."""

    branch: str | None
    sha: str | None

    @property
    def name(self) -> str:
        """The name to follow and to show."""
        return self.branch or HEAD


class Refs(Protocol):
    """The branches and tags of a repository, as one of the two readers sees them."""

    def resolve(self, ref: str) -> str | None:
        """Return the full commit id of a branch, a tag, a full ref name or an (abbreviated) commit id."""

    def branches(self) -> list[str]:
        """Return the names of all branches."""

    def tags(self) -> list[str]:
        """Return the names of all tags."""

    def head(self) -> Head:
        """Return what HEAD is at."""


def followed(refs: Refs, url: str) -> tuple[str, str]:
    """Return name and commit id of the branch that is followed by default. Raises SourceError."""
    if sha := refs.resolve(f"refs/heads/{DEFAULT}"):
        return DEFAULT, sha
    head = refs.head()
    if head.sha is None:
        raise no_default(head.branch, refs.branches(), refs.tags(), url, usual=DEFAULT)
    return head.name, head.sha


def named(ref: str, refs: Refs, url: str, *, configured: bool, rule: str = "") -> str:
    """Return the commit id of a branch, tag or commit id; of HEAD if that is its name. Raises SourceError.

    `configured`: the name is JOBS_GIT_BRANCH, not a caller's. `rule` is added to the error.
    """
    if ref == HEAD:
        return followed_head(refs, url)
    if sha := refs.resolve(ref):
        return sha
    branches, tags = refs.branches(), refs.tags()
    loose = None if branches or tags else refs.head().sha
    raise unknown_ref(ref, branches, url, tags=tags, loose=loose, configured=configured, rule=rule)


def followed_head(refs: Refs, url: str) -> str:
    """Return the commit id that HEAD is at. Raises SourceError."""
    head = refs.head()
    if head.sha is None:
        raise no_default(head.branch, refs.branches(), refs.tags(), url, usual=None)
    return head.sha
