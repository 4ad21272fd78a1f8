"""Addresses as people really type them: the likely mistake, and what to write instead.

Everything here looks at the text alone.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sauron_jobs_loader.masking import LONGEST_USER

_DRIVE = re.compile(r"(?P<drive>[A-Za-z]):[\\/](?P<path>[^@]*)")
_PORT = re.compile(r"(?P<at>(?:[\w.+-]+@)?[\w.-]+):(?P<port>\d{1,5})/(?P<path>[^/@]+/[^@]+)")
_SSH_WITH_COLON = re.compile(r"ssh://(?P<at>(?:[\w.+-]+@)?[\w.-]+):(?P<path>[^/:@\d][^:@]*)")
_PAGE = re.compile(
    r"(?P<repository>https?://[^/@]+/.+?)(?:/-)?/(?P<kind>tree|blob|src|commits?|pulls?|issues)(?:/branch)?"
    r"(?:/(?P<ref>[^?#]+))?/?"
)
_HIGHEST_PORT = 65535

Mistake = tuple[str, str]
"""What is wrong with an address, and what to write instead."""

_GENERAL: tuple[tuple[re.Pattern[str], Mistake], ...] = (
    (re.compile(r"[\"'`]"), ("begins with a quote", "write it without quotes")),
    (
        re.compile(r"git\s+clone\s"),
        ("is a whole command", "write what comes after `git clone`, the address alone"),
    ),
    (
        re.compile(r"\\\\"),
        ("is a network share of Windows", "mount it here and write the path of the folder"),
    ),
    (re.compile(r"git\+\w+://"), ("begins with git+, which is for pip", "write it without git+")),
)


def meant(url: str) -> Mistake | None:
    """Return the likely mistake of an address, or None. What it returns quotes no credentials."""
    for sign, mistake in _GENERAL:
        if sign.match(url):
            return mistake
    return _path(url) or _ssh(url) or (None if "@" in url else _page(url) or _international(url))


def _path(url: str) -> Mistake | None:
    match = _DRIVE.fullmatch(url)
    if match is None:
        return None
    place = f"/mnt/{match['drive'].lower()}/{match['path'].replace(chr(92), '/')}"
    return (
        "is a path of Windows",
        f"write the path that the folder has here: {place} in WSL, or where it is mounted in a container",
    )


def _ssh(url: str) -> Mistake | None:
    if (match := _PORT.fullmatch(url)) and int(match["port"]) <= _HIGHEST_PORT:
        at, port, path = _shown(match["at"]), match["port"], match["path"]
        return (
            f"has {port} where ssh expects a path",
            f"if that is a port, write ssh://{at}:{port}/{path}; if it is a folder, ssh://{at}/{port}/{path}",
        )
    if match := _SSH_WITH_COLON.fullmatch(url):
        at, path = _shown(match["at"]), match["path"]
        return "mixes two ways to write an ssh address", f"write {at}:{path} or ssh://{at}/{path}"
    return None


def _shown(user_and_host: str) -> str:
    """Return `user@host` without a user name that may be a token."""
    user, at, host = user_and_host.rpartition("@")
    return f"git@{host}" if at and len(user) > LONGEST_USER else user_and_host


def _page(url: str) -> Mistake | None:
    match = _PAGE.fullmatch(url)
    if match is None or match["repository"].count("/") < 4:  # noqa: PLR2004 - https://host/owner/name
        return None
    branch = f", and JOBS_GIT_BRANCH={match['ref']}" if match["kind"] == "tree" and match["ref"] else ""
    return "is the address of a page", f"write the address of the repository, {match['repository']}{branch}"


def _international(url: str) -> Mistake | None:
    if "://" not in url or url.isascii():
        return None
    try:
        host = urlsplit(url).hostname or ""
        encoded = host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return None
    if host.isascii():
        return None
    return f"has the international host name {host}", f"write it in its ASCII form, {encoded}"
