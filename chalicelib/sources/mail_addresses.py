"""The email addresses that settings name: one sender, or several recipients with commas between them.

A name may stand before an address, and a comma inside its quotes parts nothing.
"""

from __future__ import annotations

import re

_BETWEEN = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')


def sender(value: str) -> str:
    """Read one email address."""
    if len(_BETWEEN.split(value)) > 1:
        raise ValueError("a mail has one sender; write one email address")
    return addresses(value)


def addresses(value: str) -> str:
    """Read one or more email addresses."""
    for one in _BETWEEN.split(value):
        if not re.fullmatch(r"\s*(?:[^<>@]*<[^<>@\s;]+@[^<>@\s;]+>|[^<>@\s;]+@[^<>@\s;]+)\s*", one):
            raise ValueError(
                f"{one.strip()!r} is not an email address. Write for example ops@example.org; "
                "separate several with commas"
            )
    return value
