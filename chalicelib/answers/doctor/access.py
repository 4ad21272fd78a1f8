"""Checks of who reaches the API, and by which address."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from .facts import Facts
from .finding import Finding, well, wrong

LONG_TOKEN = 16  # characters
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
CURE = "set SAURON_API_TOKENS=NAME:operate:$(openssl rand -hex 16)"


def open_api(facts: Facts, check: str) -> Finding | None:
    """Whether everyone who reaches the API may do everything."""
    settings = facts.settings
    if settings is None or any(fault.startswith("SAURON_API_TOKENS") for fault in facts.faults):
        return None
    if settings.api_tokens:
        return well(check, "the API needs a token")
    if is_loopback(settings.api_host) and not settings.public_url:
        return well(check, f"the API is open, on {settings.api_host} alone")
    return wrong(check, "everyone who reaches the API may run and change jobs", CURE)


def token_scopes(facts: Facts, check: str) -> Finding | None:
    """Whether tokens are long, and reach as far as is needed and no further."""
    tokens = facts.settings.api_tokens if facts.settings else None
    if not tokens:
        return None
    if short := [one.name for one in tokens if len(one.value) < LONG_TOKEN]:
        return wrong(
            check, f"short enough to be guessed: {', '.join(short)}", "make each by openssl rand -hex 16"
        )
    scopes = {one.scope for one in tokens}
    if len(tokens) > 1 and scopes == {"admin"}:
        return wrong(
            check, "every token has the scope admin", "give each what it needs: read, trigger or operate"
        )
    if scopes <= {"read", "trigger"}:
        return wrong(
            check, "no token may enable, cancel or sync", "give one person's token the scope operate"
        )
    return well(check, ", ".join(f"{one.name}: {one.scope}" for one in tokens))


def public_url(facts: Facts, check: str) -> Finding | None:
    """Whether links in alerts lead here, and tokens travel encrypted."""
    settings = facts.settings
    if settings is None:
        return None
    if not settings.public_url:
        if is_loopback(settings.api_host):
            return well(check, "none is needed on this machine alone")
        return wrong(
            check, f"links in alerts lead to {settings.base_link}", "set SAURON_PUBLIC_URL=https://HOST"
        )
    parts = urlsplit(settings.public_url)
    if parts.scheme == "http" and not _is_private(parts.hostname or ""):
        return wrong(
            check,
            "tokens travel unencrypted",
            "put a proxy with TLS before Sauron (docs/proxies.md) and write https:// in SAURON_PUBLIC_URL",
        )
    return well(check, settings.masked(settings.public_url))


def proxy(facts: Facts, check: str) -> Finding | None:
    """Whether the proxy of the environment can be used, and is not in the way of this machine."""
    if facts.settings is None:
        return None
    environ = facts.settings.environ
    named = {name: environ.get(name) or environ.get(name.lower()) for name in PROXIES}
    for name, value in named.items():
        if value and not _is_address(value):
            return wrong(check, f"{name} is not an address", f"write {name}=http://HOST:PORT")
    if not any(named.values()):
        return well(check, "none")
    without = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if not {"localhost", "127.0.0.1", "*"} & {one.strip() for one in without.split(",")}:
        return wrong(
            check,
            "requests of jobs to this machine go to the proxy",
            "set NO_PROXY=localhost,127.0.0.1 and the names of your own network",
        )
    return well(check, ", ".join(name for name, value in named.items() if value))


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal", ".lan"))


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return bool(
            parts.scheme in {"http", "https", "socks5", "socks5h"} and parts.hostname and parts.port != 0
        )
    except ValueError:
        return False
