"""Variables from several sources: which one counts, and which ones must not meet.

The environment of this process is the person's own and wins over `.env`, which is the folder's and may be
somebody else's. So a credential of the environment never goes to an address that only `.env` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from . import files

QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019")
# the names of one address, the credentials that are sent there, and how an address that gets them begins
_POSTGRESQL = re.compile(r"(?i)postgres")
_SENT: tuple[tuple[tuple[str, ...], tuple[str, ...], re.Pattern[str]], ...] = (
    (("JOBS_GIT_REPO_URL",), ("JOBS_GIT_TOKEN", "JOBS_GIT_TOKEN_FILE"), re.compile(r"(?i)https?:")),
    (("JOB_QUEUE_DB_URL",), ("PGPASSWORD",), _POSTGRESQL),
    (("DATABASE_URL", "LIFE_HUB_DB_URL"), ("PGPASSWORD",), _POSTGRESQL),
)


class Row(Protocol):
    """A row of the table of settings."""

    @property
    def name(self) -> str:
        """The variable."""

    @property
    def from_file(self) -> bool:
        """Whether the value may come from a file, as secrets do."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """The variable's other names."""


def names(row: Row) -> tuple[str, ...]:
    """Return all variables that stand for one setting: the name, its aliases, and their NAME_FILE."""
    own = (row.name, *row.aliases)
    return (*own, *(f"{name}_FILE" for name in own)) if row.from_file else own


def overlay(under: Mapping[str, str], over: Mapping[str, str], table: Sequence[Row]) -> dict[str, str]:
    """Return variables overlaid with others, without empty ones.

    What `over` sets by one name of a setting hides what `under` sets by another.
    """
    over = {name: value for name, value in over.items() if value}
    hidden: set[str] = set()
    for row in table:
        alike = names(row)
        if any(name in over for name in alike):
            hidden.update(alike)
    return {name: value for name, value in under.items() if value and name not in hidden} | over


def chosen(row: Row, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the variable that a setting is read from and its text, which is None if nothing sets it.

    Raises ValueError when two places contradict each other, when a file cannot be used, and for a value in
    quotes, which were meant for a shell.
    """
    own = [name for name in (row.name, *row.aliases) if environ.get(name, "").strip()]
    files_of = [name for name in (row.name, *row.aliases) if environ.get(f"{name}_FILE", "").strip()]
    if files_of and not row.from_file:
        raise ValueError(f"{row.name}_FILE: only secrets are read from files; write the value as {row.name}")
    if own and files_of:
        raise ValueError(f"{own[0]} and {files_of[0]}_FILE are both set; remove one of them")
    if own:
        name, text = own[0], environ[own[0]].strip()
    elif files_of:
        name = f"{files_of[0]}_FILE"
        text = files.secret(files_of[0], environ[name].strip())
    else:
        return row.name, None
    if len(text) > 1 and text[0] + text[-1] in QUOTES:
        raise ValueError(f"{name}: write it without quotes")
    return name, text


def origins(
    table: Sequence[Row],
    variables: Mapping[str, str],
    environ: Mapping[str, str],
    places: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """Return where the values of settings came from, by their names; those at a default are not in it.

    `variables` are those that the settings were read from. `places` are the sources beside this process's
    environment, by how they are called, with what they gave.
    """
    named = [(row, variables[row.name]) for row in table if environ.get(variables[row.name], "").strip()]
    return {row.name: _origin(row, name, environ, places) for row, name in named}


def _origin(row: Row, name: str, environ: Mapping[str, str], places: Mapping[str, Mapping[str, str]]) -> str:
    place = next((called for called, given in places.items() if name in given), "environment")
    own = name if name in (row.name, *row.aliases) else name.removesuffix("_FILE")
    alias = f", as {own}" if own != row.name else ""
    return f"{place}{alias}" if own == name else f"the file {environ[name].strip()}{alias} ({place})"


def untrusted(file: files.EnvFile, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each credential of the environment that an address from a file would be sent."""
    for addresses, credentials, receives in _SENT:
        if any(environ.get(address) for address in addresses):
            continue
        for address in addresses:
            url = file.values.get(address, "").strip()
            if not receives.match(url) or (receives is _POSTGRESQL and _has_password(url)):
                continue
            for name in credentials:
                if environ.get(name) and environ[name] != file.values.get(name):
                    yield (
                        f"{address} is from {file.path} and {name} is from the environment, "
                        "so it is not sent there; set both in one place"
                    )


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False
