"""Settings that were written and are not used, or that work and should be different: one sentence each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from chalicelib.postgresql import tls

from .environment import Row, names

# the command line's own
COMMAND_LINE = ("SAURON_URL", "SAURON_TOKEN")
# of a job that calls Sauron
JOB = ("SAURON_RUN_ID", "SAURON_JOB_ID", "SAURON_ATTEMPT", "SAURON_SCHEDULED_FOR")
# what settings begin with and the variables of other programs do not
PREFIXES = ("SAURON_", "JOBS_GIT_", "JOBS_REFRESH_", "JOB_QUEUE_", "JOB_SCHEDULER_")
# addresses to which data goes out
OUTWARD = ("SAURON_HEARTBEAT_URL", "SAURON_ALERT_WEBHOOK_URL")
DATABASES = ("JOB_QUEUE_DB_URL", "DATABASE_URL")
LONG_TOKEN = 16  # characters: a shorter token may be guessed, since a right one is always let in


def unknown(environ: Mapping[str, str], table: Sequence[Row]) -> Iterator[str]:
    """Yield a warning for each variable that looks like a setting and is not: a likely typo."""
    known = {*COMMAND_LINE, *JOB}.union(*(names(row) for row in table))
    # a file for a setting that is not a secret is a fault already
    refused = {f"{name}_FILE" for name in known}
    for name in sorted(environ):
        if name in known or name in refused:
            continue
        if (meant := re.sub(r"[-.]", "_", name).upper()) in known:
            yield f"{name}: there is no such setting; write {meant}"
        elif name.startswith(PREFIXES):
            near = difflib.get_close_matches(name, sorted(known), n=1)
            cure = f"did you mean {near[0]}?" if near else "remove it"
            yield f"{name}: there is no such setting; {cure}"


def unused(environ: Mapping[str, str], table: Sequence[Row]) -> Iterator[str]:
    """Yield a warning for each second name of a setting that has another value than the first."""
    for row in table:
        first, *others = [name for name in names(row) if environ.get(name, "").strip()] or [row.name]
        yield from (
            f"{other}: it is not used, because {first} has another value; remove one of them"
            for other in others
            if environ[other].strip() != environ[first].strip()
        )


def unencrypted(values: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a warning for each address outside this machine to which data goes without TLS."""
    for name in OUTWARD:
        url = values.get(name) or ""
        if url.startswith("http://") and not _loopback(urlsplit(url).hostname):
            yield f"{name}: what is sent there goes unencrypted; write https://"


def unverified(values: Mapping[str, str | None], environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield a warning for each database out there of which nothing proves that it is the one meant.

    `values` are settings as they were read; `environ` is what libpq would read, by default this process's.
    """
    for name in DATABASES:
        url = values.get(name) or ""
        if url.startswith("postgresql"):
            from sqlalchemy.engine import make_url

            if cure := tls.unverified(make_url(url), values.get("SAURON_DB_CA"), environ):
                yield f"{name}: nothing verifies that the server is the one that is meant; {cure}"


def short_tokens(tokens: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a warning for each token, given as its name and value, that is short enough to be guessed."""
    for name, token in tokens:
        if len(token) < LONG_TOKEN:
            yield (
                f"SAURON_API_TOKENS: the token of {name} is shorter than {LONG_TOKEN} characters and may be "
                "guessed; make a new one, for example with `openssl rand -hex 16`"
            )


def _loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
