"""What a git host's webhook says was pushed, as GitHub, Gitea, Forgejo, GitLab and Bitbucket tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BRANCH = "refs/heads/"
PUSH_EVENTS = frozenset(
    {"push", "push hook", "tag push hook", "system hook", "repo:push", "repo:refs_changed"}
)
# The headers that name the event, and the host that sends them. Gitea and Forgejo also send those of GitHub.
_EVENT_HEADERS = (
    ("x-forgejo-event", "forgejo"),
    ("x-gitea-event", "gitea"),
    ("x-gogs-event", "gogs"),
    ("x-github-event", "github"),
    ("x-gitlab-event", "gitlab"),
    ("x-event-key", "bitbucket"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One ref that was pushed: its full name, its new commit if that is known, and whether it is gone."""

    ref: str
    sha: str | None
    deleted: bool

    @property
    def branch(self) -> str | None:
        """The name of the branch, None for a tag."""
        return self.ref.removeprefix(BRANCH) if self.ref.startswith(BRANCH) else None


def sender(headers: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the kind of host that sent a request (`git` if it cannot be told) and the event it names."""
    for name, host in _EVENT_HEADERS:
        if name in headers:
            return host, headers[name].strip().lower()
    return "git", None


def changes(payload: Mapping[str, Any]) -> list[Change]:
    """Return the refs that a push names; an empty list if it names none.

    Raises ValueError for a payload that no known host sends.
    """
    try:
        found = list(_changes(payload))
        for one in found:
            one.ref.encode()
            (one.sha or "").encode()
    except (TypeError, AttributeError, KeyError, UnicodeEncodeError):
        raise ValueError("the payload is not that of a push") from None
    return found


def _changes(payload: Mapping[str, Any]) -> Iterator[Change]:
    if isinstance(payload.get("ref"), str):  # GitHub, Gitea, Forgejo, GitLab
        after = payload.get("after")
        gone = payload.get("deleted") is True or (isinstance(after, str) and set(after) == {"0"})
        yield Change(payload["ref"], after if isinstance(after, str) else None, gone)
    elif "push" in payload:  # Bitbucket cloud: `new` is null where something was deleted
        for one in payload["push"]["changes"]:
            named = one["new"] or one["old"]
            start = BRANCH if named["type"] in {"branch", "named_branch"} else "refs/tags/"
            sha = (named.get("target") or {}).get("hash")
            yield Change(start + named["name"], sha, one["new"] is None)
    elif "changes" in payload:  # Bitbucket data center
        for one in payload["changes"]:
            ref = one.get("refId") or one["ref"]["id"]
            yield Change(ref, one.get("toHash"), one.get("type") == "DELETE")
    else:
        raise ValueError("the payload names no ref")
