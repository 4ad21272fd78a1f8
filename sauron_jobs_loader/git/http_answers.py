"""What every answer means that a git host, or what stands before it, may give over HTTP.

One table for both readers of a repository: a status is a fault and a sentence that says what to do.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from sauron_jobs_loader.errors import SourceFault

_STATUS = re.compile(r"returned error: (?P<status>\d{3})|HTTP (?P<rpc>\d{3})|response (?P<proxy>\d{3})\b")
_BUSY = "{host} has a fault or is too busy (HTTP {status}); Sauron tries again at the next sync"

_MEANINGS: dict[int, tuple[SourceFault, str]] = {
    400: (
        SourceFault.ADDRESS,
        "{host} does not understand the request (HTTP 400); check scheme, port and path of JOBS_GIT_REPO_URL",
    ),
    402: (SourceFault.ACCESS, "{host} wants to be paid first (HTTP 402); look at the account there"),
    405: (
        SourceFault.NOT_A_REPOSITORY,
        "{host} serves pages there, not git (HTTP 405); write the address that `git clone` takes",
    ),
    407: (
        SourceFault.ACCESS,
        "the proxy asks for a user (HTTP 407); write HTTPS_PROXY=http://user:password@proxy:port",
    ),
    408: (SourceFault.UNREACHABLE, "{host} waited too long for the request (HTTP 408); check the network"),
    410: (
        SourceFault.NOT_A_REPOSITORY,
        "the repository was removed from {host} (HTTP 410); set JOBS_GIT_REPO_URL to where it is now",
    ),
    413: (
        SourceFault.UNREACHABLE,
        "a proxy before {host} refuses the size of the request (HTTP 413); raise its limit for git",
    ),
    421: (
        SourceFault.ADDRESS,
        "{host} does not serve that name (HTTP 421); check the host name of JOBS_GIT_REPO_URL",
    ),
    426: (SourceFault.ADDRESS, "{host} wants another protocol (HTTP 426); write the address with https://"),
    429: (
        SourceFault.UNREACHABLE,
        "{host} limits requests (HTTP 429); set JOBS_REFRESH_INTERVAL_SECONDS higher, and JOBS_GIT_TOKEN",
    ),
    451: (
        SourceFault.NOT_A_REPOSITORY,
        "{host} withholds the repository for legal reasons (HTTP 451); ask its owner",
    ),
    501: (SourceFault.NOT_A_REPOSITORY, "{host} does not serve git over HTTP (HTTP 501); try an ssh address"),
    502: (SourceFault.UNREACHABLE, "the proxy before {host} does not reach the git server (HTTP 502)"),
    503: (SourceFault.UNREACHABLE, "{host} is not in service now (HTTP 503); Sauron tries again"),
    504: (SourceFault.UNREACHABLE, "the git server behind {host} does not reply in time (HTTP 504)"),
    511: (
        SourceFault.ACCESS,
        "the network asks for a sign-in before it lets anything through (HTTP 511); sign this machine in",
    ),
    525: (SourceFault.CERTIFICATE, "{host} cannot agree on TLS with the server behind it (HTTP 525)"),
    526: (SourceFault.CERTIFICATE, "the server behind {host} has an invalid certificate (HTTP 526)"),
}
_SAID_ELSEWHERE = {  # the sentences about tokens and addresses say more
    401: SourceFault.ACCESS,
    403: SourceFault.ACCESS,
    404: SourceFault.NOT_A_REPOSITORY,
}

SIGN_IN = (
    "the address leads to {there}, which is not a git repository but most likely a sign-in page; "
    "let git's requests pass without it, or write an ssh address"
)

WEB_PAGE = (
    "{host} replies with a web page and not with a repository; check the path, and whether a sign-in page "
    "stands before it"
)


def status_in(said: str) -> int | None:
    """Return the HTTP status that git's message names, or None."""
    match = _STATUS.search(said)
    return int(match["status"] or match["rpc"] or match["proxy"]) if match else None


def meaning(status: int) -> tuple[SourceFault, str]:
    """Return the fault of a status, and its sentence with `{host}`; empty where the fault's own says more."""
    if status in _SAID_ELSEWHERE:
        return _SAID_ELSEWHERE[status], ""
    if known := _MEANINGS.get(status):
        return known
    named = _named(status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SourceFault.UNREACHABLE, _BUSY.replace("{status}", named)
    if status >= HTTPStatus.BAD_REQUEST:
        return SourceFault.NOT_A_REPOSITORY, (
            f"{{host}} refuses the request (HTTP {named}); is JOBS_GIT_REPO_URL what `git clone` takes?"
        )
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return SourceFault.ADDRESS, (
            f"{{host}} redirects to nowhere (HTTP {named}); write the final address as JOBS_GIT_REPO_URL"
        )
    return SourceFault.NOT_A_REPOSITORY, (
        f"{{host}} replies without a repository (HTTP {named}); write the address that `git clone` takes"
    )


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
