"""Where a web address of a bundle leads, and which redirects are followed.

With a token, only redirects within the origin (scheme, host and port) of the address are followed, as after a
renaming of the repository: whoever is sent elsewhere is not to receive the token, nor a request made in its
name. git itself would send it to the new place, so git follows none and is given the place found here.
Without a token every redirect to https is followed, and one to http from and on this machine.
"""

from __future__ import annotations

import time
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.masking import shown_address

from .address import GitAddress, is_loopback
from .explain import away, fault_error
from .http_answers import WEB_PAGE

if TYPE_CHECKING:
    import urllib3

MOVED = frozenset({301, 302, 303, 307, 308})
MOST = 5  # redirects in a row
ASKED = "/info/refs"  # below the address of a repository, with a query: how a fetch over http begins
_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port: what a token may be sent to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def allowed(address: GitAddress, url: str) -> str:
    """Return `url` if a redirect from `address` may lead there. Raises SourceError with what to write."""
    try:
        leads_to = origin(url)
    except ValueError:
        raise _refused(address, "redirected to an address that cannot be read") from None
    if not urlsplit(url).path.endswith(ASKED):
        raise away(address, url)
    scheme, host, _ = leads_to
    plain = scheme == "http" and address.scheme == "http" and is_loopback(host)
    if scheme != "https" and not plain:
        raise _refused(address, f"redirected to {scheme}://{host}, which is not https")
    if address.token is not None and leads_to != origin(address.url):
        there = shown_address(url).removesuffix(ASKED)
        raise _refused(
            address,
            f"moved to {there}, and the token is not sent to another host or port; "
            f"if you trust that place, set JOBS_GIT_REPO_URL to {there} and JOBS_GIT_TOKEN to a token for it",
        )
    return url


def found_at(address: GitAddress, *, limit: timedelta) -> str:
    """Follow the redirects from an address and return where the repository is. Raises SourceError."""
    import urllib3

    from .https import connections_to

    deadline = time.monotonic() + limit.total_seconds()
    pool = connections_to(address)
    url = f"{address.url}{ASKED}?service=git-upload-pack"
    try:
        for _ in range(MOST):
            response = pool.request(
                "GET",
                url,
                headers={"User-Agent": "git/2 (sauron)", **_signed(address)},
                timeout=max(deadline - time.monotonic(), 0.001),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            response.close()
            if response.status not in MOVED:
                _refuse_page(address, response, limit)
                return url.partition("?")[0].removesuffix(ASKED)
            url = allowed(address, urljoin(url, response.headers.get("Location", "")))
    except urllib3.exceptions.HTTPError as error:
        raise _refused(address, f"redirected, and then broke off ({type(error).__name__})") from error
    finally:
        pool.clear()
    raise endless(address)


def _signed(address: GitAddress) -> dict[str, str]:
    return {} if address.authorization is None else {"Authorization": address.authorization}


def _refuse_page(address: GitAddress, response: urllib3.BaseHTTPResponse, limit: timedelta) -> None:
    """Raise SourceError if a response is a web page, which git may take for an empty repository."""
    if response.status == HTTPStatus.OK and "html" in response.headers.get("Content-Type", "").lower():
        sentence = WEB_PAGE.format(host=address.host)
        raise fault_error(SourceFault.NOT_A_REPOSITORY, address, said="", limit=limit, sentence=sentence)


def endless(address: GitAddress) -> SourceError:
    """Return the error for redirects that do not end."""
    return _refused(address, f"redirected more than {MOST} times")


def _refused(address: GitAddress, why: str) -> SourceError:
    return SourceError(
        f"cannot fetch the bundle from {address.display}: the address was {why}",
        fault=SourceFault.ADDRESS,
        url=address.display,
    )
