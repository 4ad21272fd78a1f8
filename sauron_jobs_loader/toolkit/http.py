"""HTTP from a job: an `httpx.Client` with timeouts, retries and a user agent.

An idempotent request (RFC 9110: GET, HEAD, OPTIONS, TRACE, PUT, DELETE) is retried after a lost connection, a
timeout or a response of 429, 502, 503 or 504. The last response is returned; check its status. Other requests
are only retried while no connection was made. Proxies of the environment are used. Limit: a body that is a
generator is sent once.
"""

from __future__ import annotations

import importlib.metadata
import logging
import random
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from sauron_jobs_loader import context

if TYPE_CHECKING:
    import httpx

IDEMPOTENT = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"})
BUSY = frozenset({429, 502, 503, 504})
LONGEST_PAUSE_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.5

_log = logging.getLogger(__name__)


def client(
    *,
    base_url: str = "",
    timeout_seconds: float = 30,
    retries: int = 3,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> httpx.Client:
    """Return a client; use it as a context manager.

    `token` is sent as `Authorization: Bearer` and nowhere else. `timeout_seconds` limits connecting and each
    wait for data, not the whole request. Raises ValueError.
    """
    import httpx

    known = {"User-Agent": user_agent(), **(headers or {})}
    if token is not None:
        token = token.strip()
        if not (token.isascii() and token.isprintable()):  # httpx would show it in its own error
            raise ValueError(
                "token holds characters that are not valid in a header: check the variable it comes from."
            )
        known["Authorization"] = f"Bearer {token}"

    def transport(proxy: str | None = None) -> httpx.BaseTransport:
        return _retrying(httpx.HTTPTransport(retries=retries, proxy=proxy), retries)

    mounts = {where: transport(proxy) if proxy else None for where, proxy in _proxies().items()}
    return httpx.Client(
        base_url=base_url, timeout=timeout_seconds, headers=known, transport=transport(), mounts=mounts
    )


def user_agent() -> str:
    """Return the User-Agent, which names this job to servers."""
    try:
        name = f"sauron-job/{importlib.metadata.version('sauron')}"
    except importlib.metadata.PackageNotFoundError:
        name = "sauron"
    job = context.running()
    return name if job is None else f"{name} ({job.job_id})"


def pause_before(attempt: int, retry_after: str | None, now: datetime) -> float:
    """Return the seconds to wait before a retry; `attempt` counts from 1.

    The server's Retry-After, or an exponential backoff; at most LONGEST_PAUSE_SECONDS.
    """
    asked = _asked_for(retry_after, now)
    if asked is None:
        asked = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(1, 1.25)  # noqa: S311 - a spread, no secret
    return min(max(asked, 0.0), LONGEST_PAUSE_SECONDS)


def _asked_for(retry_after: str | None, now: datetime) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _retrying(
    inner: httpx.BaseTransport, retries: int, sleep: Callable[[float], None] = time.sleep
) -> httpx.BaseTransport:
    """Return a transport that retries idempotent requests."""
    import httpx

    class Retrying(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            repeatable = request.method in IDEMPOTENT and isinstance(request.stream, httpx.ByteStream)
            for attempt in range(1, retries + 1 if repeatable else 1):
                retry_after = None
                try:
                    response = inner.handle_request(request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    raise  # the inner transport has retried these already
                except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException) as error:
                    reason = type(error).__name__
                else:
                    if response.status_code not in BUSY:
                        return response
                    response.close()
                    reason, retry_after = str(response.status_code), response.headers.get("Retry-After")
                pause = pause_before(attempt, retry_after, datetime.now(UTC))
                _log.info("%s %s: %s, retry in %.1f s", request.method, request.url.host, reason, pause)
                sleep(pause)
            return inner.handle_request(request)

        def close(self) -> None:
            inner.close()

    return Retrying()


def _proxies() -> dict[str, str | None]:
    """Return the proxies of the environment as httpx mounts, None for a direct connection.

    httpx does not read them for a custom transport.
    """
    known = urllib.request.getproxies()
    direct = [name.strip().lower() for name in known.get("no", "").split(",") if name.strip()]
    if "*" in direct:
        return {}
    found: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        if proxy := known.get(scheme):
            found[f"{scheme}://"] = proxy if "://" in proxy else f"http://{proxy}"
    for name in direct if found else ():
        exact = name == "localhost" or name.replace(".", "").isdigit()
        host = f"[{name}]" if ":" in name else name if exact else f"*{name}"
        found[f"all://{host}"] = None
    return found
