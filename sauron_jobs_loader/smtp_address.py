"""The address of a mail server, as `SAURON_SMTP_URL` names it.

A message about a wrong address says what to write and never what was given: that may be a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

PORTS = {"smtp": 587, "smtps": 465}
EXAMPLE = "smtp://user:password@mail.example.org:587"


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """A mail server and who signs in there. `tls`: the connection begins with TLS (smtps)."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The server without credentials, such as `mail.example.org:587`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> SmtpAddress:
    """Read smtp://user:password@host:port or smtps://...; raise ValueError with what to write instead."""
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in PORTS:
        raise ValueError(f"write {EXAMPLE}, or smtps:// for a server whose port begins with TLS (465)")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("it holds a space or a line break; write %20 for a space in user or password")
    authority = url.partition("://")[2]
    if re.search(r"[/?#].*@", authority):
        raise ValueError("in user and password write %2F for /, %3F for ? and %23 for #")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"the host or port is invalid; write {EXAMPLE}") from None
    if not host:
        raise ValueError(f"the host is missing; write {EXAMPLE}")
    if port == 0:
        raise ValueError(f"port 0 is not a port to connect to; write {EXAMPLE}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"nothing follows the port; write {EXAMPLE}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        missing = "password" if user else "user"
        raise ValueError(f"the {missing} is missing; write {EXAMPLE}, or neither user nor password")
    return SmtpAddress(host, port or PORTS[scheme], scheme == "smtps", user or None, password or None)


def url(value: str) -> str:
    """Check an address and return it as it is. Raises ValueError with what to write instead."""
    parse(value)
    return value
