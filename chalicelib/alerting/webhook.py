"""The webhook channel: one POST per alert, signed as Standard Webhooks says.

Source: https://www.standardwebhooks.com
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib import __version__
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert
from chalicelib.text import unreachable

from .messages import as_webhook
from .refusal import RefusedError

if TYPE_CHECKING:
    import httpx

SECONDS = 10.0  # the time limit of each step of a request
OVERLOADED = frozenset({408, 429, 502, 503, 504})  # the receiver is at fault, not the alert
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"})


def open_client(settings: Settings) -> httpx.Client:
    """Return a client that goes through the proxy of the environment, if it names one."""
    import httpx

    proxied = any(name.lower() in _PROXIES for name in settings.environ)
    try:
        return httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=proxied)
    except Exception as error:  # a proxy or a certificate file that its library cannot use
        raise RefusedError(f"the way out cannot be used ({error})", channel=True) from error


def post(client: httpx.Client, alert: Alert, settings: Settings, *, now: datetime) -> str:
    """Post one alert, signed, and return what the receiver answered.

    Raises RefusedError when the receiver did not accept it.
    """
    body = as_webhook(alert)
    url = str(settings.alert_webhook_url)
    headers = signed(alert.id, int(now.timestamp()), body, settings.alert_webhook_secret)
    host = urlsplit(url).hostname
    try:
        with client.stream("POST", url, content=body, headers=headers) as answer:
            status, fine = answer.status_code, answer.is_success
    except Exception as error:  # whatever the network and an address throw
        raise RefusedError(f"{host}: {unreachable(error, SECONDS)}", channel=True) from error
    if not fine:
        raise RefusedError(f"{host} answered {status}", channel=status in OVERLOADED)
    return f"{host} answered {status}"


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
