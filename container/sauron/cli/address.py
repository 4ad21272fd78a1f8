"""Which running Sauron the command line talks to, and which token goes there.

The options and the environment are the person's own. `.env` is the folder's, and the folder may be somebody
else's: an address from it gets the token from it, or none, and never one that the person has set elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click

from chalicelib.errors import SettingsError
from chalicelib.sources.files import env_file
from sauron_jobs_loader.masking import shown_address

URL, TOKEN = "SAURON_URL", "SAURON_TOKEN"


@dataclass(frozen=True, slots=True)
class Remote:
    """The address of a running Sauron, its token, and the file that named the address, if a file did."""

    url: str
    token: str | None = field(default=None, repr=False)
    file: Path | None = None

    @property
    def shown(self) -> str:
        """The address for people: without credentials, with the file it is from."""
        address = shown_address(self.url)
        return address if self.file is None else f"{address} ({URL} in {self.file})"


def find(url: str | None, token: str | None, folder: Path, environ: Mapping[str, str]) -> Remote | None:
    """Return the Sauron that the options, the environment or `.env` name, None if none of them does.

    Raises UsageError, and SettingsError when `.env` is needed and cannot be read.
    """
    url, token = url or environ.get(URL), token or environ.get(TOKEN)
    if url and token:
        return Remote(_address(url), _header(token))
    path = folder / ".env"
    file = env_file(path)
    if file.faults:
        raise SettingsError(file.faults)
    if url:
        return Remote(_address(url), _header(file.values.get(TOKEN)))
    if not (url := file.values.get(URL)):
        return None
    address, own = _address(url), file.values.get(TOKEN)
    if token and not own:
        shown = shown_address(address)
        raise click.UsageError(
            f"{URL} is from {path} and the token is not, so the token is not sent to {shown}. "
            f"If that address is right, give it by hand: --url {shown}"
        )
    return Remote(address, _header(own), path)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        shown = shown_address(url)
        raise click.UsageError(f"--url {shown!r} is not a valid address. Write http://host:port")
    return f"{parts.scheme}{url[len(parts.scheme) :]}".rstrip("/")


def _header(token: str | None) -> str | None:
    if token and not re.fullmatch(r"[\x21-\x7e]+", token.strip()):
        raise click.UsageError(
            "The token holds a space, a line break or a letter beyond ASCII. Write the token alone"
        )
    return token.strip() if token else None
