"""The examples at the end of a command's help, in the one form that all commands share."""

from __future__ import annotations

HEADING = "Examples:"


def examples(*lines: str) -> str:
    """Return the epilog of a command: its examples, one a line, as a person types them."""
    return "\n".join(["\b", HEADING, *(f"  {line}" for line in lines)])
