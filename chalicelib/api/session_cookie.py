"""The cookie of a browser that signed in: whose token it was and until when, signed.

The key of the signature is made from the token itself, so that every process with the same tokens reads the
same cookies and nothing is stored of a session that lasts. Each sign-in has a value of its own, so that a
sign-out ends one session. A cookie counts until its end or its sign-out (`store.sessions`), and no longer
than its token: one whose token was removed, changed or given another scope has a wrong signature. The token
is not in it.

Whoever steals a cookie can try tokens against its signature, so the key takes long to make (scrypt).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chalicelib.settings_readers import Token

NAME = "sauron_session"
LASTS = timedelta(days=7)
MOST = 4  # cookies of that name which are looked at; another path may have set one
_SENT = re.compile(rf"(?:^|[;,])\s*{NAME}=([^;,\s]*)")
_VALUE = re.compile(r"([A-Za-z0-9_.-]{1,64}):([1-9][0-9]{0,11}):([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request's cookies prove: the token of whoever signed in.

    `sent`: there was a cookie. `forged`: none counts, and one has a wrong signature. `value` and `end` are
    those of the cookie that counts.
    """

    token: Token | None
    sent: bool
    forged: bool
    value: str = ""
    end: datetime | None = None


def value(token: Token, now: datetime) -> str:
    """Return the value of the cookie of whoever showed a token now."""
    end = int((now + LASTS).timestamp())
    own = secrets.token_urlsafe(16)
    return f"{token.name}:{end}:{own}:{_signature(token, end, own)}"


def judge(
    header: str,
    tokens: Sequence[Token],
    now: datetime,
    *,
    ended: Callable[[str], bool] = lambda _value: False,
) -> Verdict:
    """Judge a Cookie header by the tokens that are configured now; `ended` says what was signed out."""
    sent = _SENT.findall(header)[:MOST]
    forged = False
    for one in sent:
        read = _VALUE.fullmatch(one)
        signer = _signer(read, tokens) if read else None
        if read and signer and int(read[2]) > now.timestamp() and not ended(one):
            end = datetime.fromtimestamp(int(read[2]), UTC)
            return Verdict(signer, sent=True, forged=False, value=one, end=end)
        forged = forged or signer is None
    return Verdict(None, sent=bool(sent), forged=forged)


def given(value: str, *, path: str, secure: bool) -> str:
    """Return the Set-Cookie header that gives a browser its cookie."""
    return _header(value, int(LASTS.total_seconds()), path, secure=secure)


def taken(*, path: str, secure: bool) -> str:
    """Return the Set-Cookie header that removes the cookie from a browser."""
    return _header("", 0, path, secure=secure)


def _signer(read: re.Match[str], tokens: Sequence[Token]) -> Token | None:
    named = [token for token in tokens if token.name == read[1]]
    return next(
        (one for one in named if hmac.compare_digest(_signature(one, int(read[2]), read[3]), read[4])),
        None,
    )


def _signature(token: Token, end: int, own: str) -> str:
    signed = f"{NAME} 1\n{token.name}\n{token.scope}\n{end}\n{own}"
    digest = hmac.digest(_key(token.value), signed.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@functools.lru_cache(maxsize=64)
def _key(token: str) -> bytes:
    return hashlib.scrypt(token.encode(), salt=b"Sauron: cookies of pages", n=1 << 14, r=8, p=1, dklen=32)


def _header(value: str, seconds: int, path: str, *, secure: bool) -> str:
    only = "; Secure" if secure else ""
    return f"{NAME}={value}; Path={path or '/'}; Max-Age={seconds}; HttpOnly; SameSite=Strict{only}"
