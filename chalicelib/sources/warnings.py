"""Settings that were written and are not used, or that work and should be different: one sentence each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

# the command line's own
COMMAND_LINE = ("SAURON_URL", "SAURON_TOKEN")
# of a job that calls Sauron
JOB = ("SAURON_RUN_ID", "SAURON_JOB_ID", "SAURON_ATTEMPT", "SAURON_SCHEDULED_FOR")


class Row(Protocol):
    """What is needed of a row of the table of settings."""

    @property
    def name(self) -> str:
        """The variable."""

    @property
    def secret(self) -> bool:
        """Whether its value is secret."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its other names."""


def unknown(environ: Mapping[str, str], table: Sequence[Row]) -> Iterator[str]:
    """Yield a warning for each variable that starts with SAURON_ and is not a setting: a likely typo."""
    known = {one.name for one in table} | {f"{one.name}_FILE" for one in table if one.secret}
    known |= {*COMMAND_LINE, *JOB}
    for name in sorted(environ):
        if name.startswith("SAURON_") and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            cure = f"did you mean {near[0]}?" if near else "remove it"
            yield f"{name}: there is no such setting; {cure}"
