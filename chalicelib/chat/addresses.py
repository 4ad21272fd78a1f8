"""The addresses of chat and push services in SAURON_ALERT_URLS, each checked by apprise when it is read.

Almost every part of such an address is a secret, so a fault names its number and scheme and nothing else.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from sauron_jobs_loader.masking import address_credentials

EXAMPLE = "slack://TokenA/TokenB/TokenC discord://WebhookID/WebhookToken"
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")
SECRET_CHARS = 8  # a shorter part of an address may be an ordinary word
LONG_CHARS = 20  # a longer one is none
_NO = frozenset({"no", "n", "0", "false", "f", "off", "never", "deny", "disable", "disabled", "-"})


@dataclass(frozen=True, slots=True)
class ChatAddress:
    """One service. `name` is its channel's: the scheme and a mark that only this address has.

    The mark is expensive to compute, so that nobody finds a password by trying. `secrets` are what is to be
    masked.
    """

    name: str
    url: str = field(repr=False)
    secrets: frozenset[str] = field(repr=False)


def read(value: str) -> tuple[ChatAddress, ...]:
    """Read addresses separated by spaces or line breaks; one that is repeated counts once.

    Raises ValueError that says of each wrong one what to write instead.
    """
    found: dict[str, ChatAddress] = {}
    faults = []
    for number, written in enumerate(value.split(), start=1):
        scheme = SCHEME.match(written)
        if scheme is None:
            faults.append(f"address {number} has no scheme; write for example {EXAMPLE}")
            continue
        url = scheme[1].lower() + written[scheme.end(1) :]
        if fault := _fault(url, scheme[1].lower()):
            faults.append(f"address {number} ({scheme[1].lower()}://): {fault}")
        else:
            found[url] = ChatAddress(_name(url), url, frozenset(_secrets(url)))
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found.values())


def _fault(url: str, scheme: str) -> str | None:
    """Say why an address cannot be used and what to write, None if it can."""
    if url.endswith((",", ";")) or re.search(r"[,;][A-Za-z][A-Za-z0-9+.-]*://", url):
        return "separate addresses with spaces, not with commas"
    from . import library

    known = library.schemes()
    if scheme not in {*known, "http", "https"}:
        near = difflib.get_close_matches(scheme, known, n=1)
        cure = f"did you mean {near[0]}://?" if near else f"write for example {EXAMPLE}"
        return f"apprise knows no such service; {cure}"
    if _NO & {one.lower() for one in _options(url).get("verify", ())}:
        return (
            "verify=no lets anyone in between read along; leave it out, and name the root of a certificate "
            "of your own in REQUESTS_CA_BUNDLE"
        )
    try:
        service = library.service(url)
    except Exception:  # noqa: BLE001 - a plugin's own fault, whose words may hold the address
        service = None
    if service is not None:
        return None
    if scheme in {"http", "https"}:
        return "apprise knows no service at such an address; for a receiver of JSON write json:// or jsons://"
    forms = library.templates(scheme)
    return f"apprise cannot use it, a part is missing or wrong; write {forms[0] if forms else EXAMPLE}"


def _options(url: str) -> dict[str, list[str]]:
    return {name.lower(): values for name, values in parse_qs(url.partition("?")[2]).items()}


def _name(url: str) -> str:
    from . import library

    mark = hashlib.scrypt(url.encode("utf-8", "replace"), salt=b"sauron/channel", n=2**12, r=8, p=1, dklen=4)
    return f"{library.scheme_of(url)}-{mark.hex()}"


def _secrets(url: str) -> Iterator[str]:
    """Yield what of an address is to be masked: the whole, user and password, and parts that look random."""
    rest = url.partition("://")[2]
    yield url
    yield from address_credentials(url)
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    for part in re.split(r"[/?&=@:#,]", rest):
        plain = unquote(part)
        if len(plain) < SECRET_CHARS or (plain.lower() == host and ("." in host or host == "localhost")):
            continue
        if len(plain) >= LONG_CHARS or not (plain.isalpha() and (plain.islower() or plain.istitle())):
            yield from (part, plain, rest)
