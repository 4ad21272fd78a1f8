"""The webhook channel: one POST per alert, or about several, signed as Standard Webhooks says.

Sources: https://www.standardwebhooks.com, RFC 9110 section 10.2.3 (Retry-After)
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib import __version__
from chalicelib.http_deadline import closed_after
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert
from chalicelib.text import unreachable

from .messages import as_webhook, as_webhook_of_several
from .refusal import OVERLOADED, TOO_MANY_REQUESTS, RefusedError

if TYPE_CHECKING:
    import ssl

    import httpx

SECONDS = 10.0  # the time limit of each step of a request
STEPS = 3  # connecting, sending and the answer: the whole takes no longer than so many
NOT_FOLLOWED = "leads elsewhere and is not followed; write the address to which it leads"
SHORTEST_REST, LONGEST_REST = timedelta(seconds=1), timedelta(hours=1)
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"})


def open_client(settings: Settings) -> httpx.Client:
    """Return a client that goes through the proxy of the environment, if it names one."""
    import httpx

    proxied = any(name.lower() in _PROXIES for name in settings.environ)
    try:
        verify = True if proxied else _tls()
        return httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=proxied, verify=verify)
    except Exception as error:  # a proxy or a certificate file that its library cannot use
        raise RefusedError(f"the way out cannot be used ({error})", channel=True) from error


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return how servers are verified without the environment's wishes; reading all roots takes its time."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def post(
    client: httpx.Client,
    alerts: Alert | Sequence[Alert],
    settings: Settings,
    *,
    now: datetime,
    seconds: float = SECONDS,
) -> str:
    """Post one alert, or several as one, signed, and return what the receiver answered.

    Raises RefusedError when the receiver did not accept it.
    """
    some = [alerts] if isinstance(alerts, Alert) else alerts
    body = as_webhook(some[0]) if len(some) == 1 else as_webhook_of_several(some, settings)
    url = str(settings.alert_webhook_url)
    headers = signed(_id_of(some), int(now.timestamp()), body, settings.alert_webhook_secret)
    host = urlsplit(url).hostname
    try:
        with (
            closed_after(client, STEPS * seconds),
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            status, fine, said = answer.status_code, answer.is_success, answer.headers
            moved = answer.has_redirect_location
    except Exception as error:  # whatever the network and an address throw
        raise RefusedError(f"{host}: {unreachable(error, seconds)}", channel=True) from error
    if not fine:
        raise RefusedError(
            f"{host} answered {status}" + (f", which {NOT_FOLLOWED}" if moved else ""),
            channel=status in OVERLOADED,
            retry_after=retry_after(said.get("retry-after"), said.get("date"), now=now),
            too_many=status == TOO_MANY_REQUESTS,
        )
    return f"{host} answered {status}"


def retry_after(text: str | None, date: str | None = None, *, now: datetime) -> timedelta | None:
    """Return how long a receiver asks to be left alone, within bounds; None if it does not say so.

    `text` is seconds or a date. A date is read by the receiver's own clock, if it sent its `date`.
    """
    text = (text or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
        rest = timedelta(seconds=min(float(text), LONGEST_REST.total_seconds()))
    elif (until := _http_date(text)) is not None:
        rest = until - (_http_date(date or "") or now)
    else:
        return None
    return max(SHORTEST_REST, min(rest, LONGEST_REST))


def _http_date(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _id_of(some: Sequence[Alert]) -> str:
    """Return the id of a message: the alert's own, or one that only these alerts have."""
    if len(some) == 1:
        return some[0].id
    return hashlib.sha256(" ".join(alert.id for alert in some).encode()).hexdigest()[:32]


def signed(alert_id: str, timestamp: int, body: bytes, key: bytes | None) -> dict[str, str]:
    """Return the headers of a webhook: id, time of this try, and a signature if there is a key."""
    name = f"msg_{alert_id}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"sauron/{__version__}",
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
    }
    if key:
        digest = hmac.new(key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
