"""Readers of settings: each turns the text of one variable into its value, or raises ValueError.

The error says what to write instead, never the text that was given: that may be a secret.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

TOKEN_CHARS = 8  # a shorter token is guessed
WEBHOOK_KEY_BYTES = 16  # a shorter one is guessed
# parameters of an SQLite address that its driver takes and the store can live with, and their values
SQLITE_OPTIONS = {
    "timeout": r"\d+(\.\d+)?",
    "isolation_level": r"\w+",
    "check_same_thread": r"0|1|true|false",
    "cached_statements": r"\d+",
}
RESERVED_NAMES = {"local", "anonymous"}  # who acts at this machine, and while the API is open
SCOPES = ("read", "trigger", "operate", "admin")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token: its owner and the highest scope it reaches (read < trigger < operate < admin)."""

    name: str
    scope: str
    value: str = field(repr=False)


def text(value: str) -> str:
    """Take a text as it is."""
    return value


def word(value: str) -> str:
    """Take a text without spaces, such as a token or the name of a branch."""
    if re.search(r"[\x00-\x20\x7f]", value):
        raise ValueError("it holds a space or a line break; write the value alone")
    return value


def path(value: str) -> Path:
    """Read a path; `~` is the home folder."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError("there is no such home folder; write an absolute path") from None


def folder_inside(value: str) -> str | None:
    """Read a folder inside the bundle's repository, relative to its top; None is the top itself."""
    if "\0" in value or "\\" in value or value.startswith(("~", "$")):
        raise ValueError("write a folder inside the repository with forward slashes, such as ops/sauron")
    parts = [part for part in value.split("/") if part not in {"", "."}]
    if value.startswith("/") or ".." in parts:
        raise ValueError("write it relative to the top of the repository, without ..: ops/sauron")
    return "/".join(parts) or None


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(value: str) -> int:
        # `int` also takes 80_80 and the digits of other scripts, which the programs beside Sauron do not
        if not re.fullmatch(r"[0-9]{1,19}", value) or not low <= int(value) <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(value)

    return read


def seconds(low: int, high: int) -> Callable[[str], timedelta]:
    """Return a reader of whole seconds from `low` to `high`."""
    number = whole(low, high)
    return lambda value: timedelta(seconds=number(value))


def days(value: str) -> timedelta:
    """Read a number of days."""
    return timedelta(days=whole(1, 36500)(value))


def switch(value: str) -> bool:
    """Read 1 or 0 (also true/false, yes/no, on/off)."""
    lowered = value.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("write 1 or 0")


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader that accepts these words, in any case."""

    def read(value: str) -> str:
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        near = difflib.get_close_matches(value.lower(), [choice.lower() for choice in choices], n=1)
        raise ValueError(
            f"write one of {', '.join(choices)}" + (f" (did you mean {near[0]}?)" if near else "")
        )

    return read


def store_url(value: str) -> str:
    """Read the address of a store; PostgreSQL's gets the driver that is used."""
    value = _lower_scheme(value)
    if value.startswith("postgres://"):
        value = "postgresql://" + value.removeprefix("postgres://")
    if value.startswith("postgresql://"):
        value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
    if value.startswith("postgresql+psycopg://"):
        return _server_url(value)
    if value.startswith("sqlite:///"):
        return _sqlite_url(value)
    raise ValueError(
        "write sqlite:////absolute/path.sqlite3 or postgresql://user:password@host:5432/database"
    )


def _lower_scheme(url: str) -> str:
    """Return an address with its scheme in lower case: schemes have no case (RFC 3986, section 3.1)."""
    return re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*(?=:)", lambda scheme: scheme[0].lower(), url)


def _sqlite_url(value: str) -> str:
    """Refuse what does not name one file that every process of Sauron finds."""
    path, _, query = value.removeprefix("sqlite:///").partition("?")
    if not path or path.endswith("/") or path.startswith((":memory:", "file:", "~")):
        raise ValueError("the store must be a file on disk; write sqlite:////absolute/path.sqlite3")
    options = parse_qs(query, keep_blank_values=True)
    if not all(
        re.fullmatch(SQLITE_OPTIONS.get(name, r"(?!)"), value, re.ASCII | re.IGNORECASE)
        for name, values in options.items()
        for value in values
    ):
        raise ValueError(
            "a parameter after the ? is not one of SQLite's here, or its value is not valid; "
            "write sqlite:////absolute/path.sqlite3"
        )
    return value


def _server_url(value: str) -> str:
    """Refuse an address whose password would be taken for something else, and so be shown."""
    authority, _, path = value.partition("://")[2].partition("?")[0].partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise ValueError("in user and password write %40 for @, %2F for / and %3A for :")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "the host or port is invalid; write postgresql://user:password@host:5432/database"
        ) from None
    if {"password", "sslpassword"} & parse_qs(parts.query, keep_blank_values=True).keys():
        raise ValueError(
            "write the password before the host, not among the parameters: postgresql://user:password@host/database?..."
        )
    return value


def life_hub_url(value: str) -> str:
    """Read the address of a PostgreSQL database."""
    if not _lower_scheme(value).startswith(("postgres://", "postgresql://", "postgresql+psycopg://")):
        raise ValueError(
            "Life Hub is a PostgreSQL database: write postgresql://user:password@host:5432/database"
        )
    return store_url(value)


def private_key(value: str) -> bytes:
    """Read a private key in base64."""
    try:
        key = base64.b64decode("".join(value.split()).encode(), validate=True)
    except binascii.Error:
        key = b""
    if b"PRIVATE KEY" not in key:
        raise ValueError("write the private key in base64: base64 -w0 < ~/.ssh/id_ed25519")
    return key


def tokens(value: str) -> tuple[Token, ...]:
    """Read API tokens: name:scope:token, separated by commas or one a line."""
    tokens: list[Token] = []
    entries = filter(None, (part.strip() for part in re.split(r"[,\r\n]", value)))
    for number, entry in enumerate(entries, start=1):
        name, scope, secret = (*entry.split(":", 2), "", "")[:3]
        if (
            not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)
            or scope not in SCOPES
            or len(secret) < TOKEN_CHARS
        ):
            raise ValueError(
                f"entry {number} is not name:scope:token; write for example "
                f"jarvis:operate:<at least 8 characters>, with a scope of {', '.join(SCOPES)}"
            )
        if name in RESERVED_NAMES:
            raise ValueError(f"entry {number} is called {name}, which the audit log uses itself; rename it")
        if not re.fullmatch(r"[\x20-\x7e]+", secret):
            raise ValueError(
                f"entry {number} has a token with a character that no header can carry; make one of ASCII "
                "characters, for example with `openssl rand -hex 16`"
            )
        if any(known.value == secret for known in tokens):
            raise ValueError(
                f"entry {number} repeats the token of another entry; give every user a token of its own"
            )
        tokens.append(Token(name, scope, secret))
    if not tokens:
        raise ValueError("it holds no token; write for example jarvis:operate:<at least 8 characters>")
    return tuple(tokens)


def http_url(value: str) -> str:
    """Read an http(s) address."""
    try:
        parts = urlsplit(value)
        valid = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", value):
        raise ValueError("write an address that starts with https:// (or http://) and a host")
    return _lower_scheme(value)


def public_url(value: str) -> str:
    """Read the address of the page: http(s) with a host, and perhaps a path."""
    url = http_url(value)
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("it is shown to everyone; write it without the user and password before the @")
    if "?" in url or "#" in url:
        raise ValueError("write the address of the page without what follows a ? or #")
    if not re.fullmatch(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?", parts.path) or re.search(
        r"/(\.|%2e){1,2}(/|$)", parts.path, re.IGNORECASE
    ):
        raise ValueError("its path cannot be used in links; write for example https://host/sauron")
    return url


def ssm_paths(value: str) -> tuple[str, ...]:
    """Read paths of SSM parameters, separated by commas."""
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+/?(,(/[A-Za-z0-9_.-]+)+/?)*", value):
        raise ValueError("write paths, comma-separated: /sauron/prod/bundle,/sauron/prod/shared")
    return tuple(one.rstrip("/") for one in value.split(","))


def webhook_secret(value: str) -> bytes:
    """Read a secret of the Standard Webhooks form: whsec_ and at least 16 bytes in base64."""
    try:
        key = base64.b64decode(value.removeprefix("whsec_").encode(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < WEBHOOK_KEY_BYTES:
        raise ValueError(
            "write whsec_ and 24 to 64 random bytes in base64: echo whsec_$(head -c 32 /dev/urandom | base64)"
        )
    return key


class PoolSizes(dict[str, int]):
    """How many runs of each pool may run at once, by its name."""


def pools(value: str) -> PoolSizes:
    """Read the sizes of pools, such as `db:1,api:4`."""
    sizes = PoolSizes()
    for part in filter(None, (one.strip() for one in value.split(","))):
        name, _, size = (one.strip() for one in part.partition(":"))
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name) or not re.fullmatch(
            r"[1-9][0-9]{0,4}", size
        ):
            raise ValueError("write each pool with its size from 1 to 99999, such as db:1,api:4")
        if name in sizes:
            raise ValueError(f"the pool {name} is there twice; write it once")
        sizes[name] = int(size)
    return sizes
