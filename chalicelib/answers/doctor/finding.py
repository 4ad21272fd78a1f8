"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: what was found, and what to do about it where it is not `ok`."""

    check: str
    ok: bool
    found: str
    fix: str = ""


def well(check: str, found: str) -> Finding:
    """Return a check that found nothing wrong."""
    return Finding(check, ok=True, found=found)


def wrong(check: str, found: str, fix: str) -> Finding:
    """Return a check that found a mistake, with its cure."""
    return Finding(check, ok=False, found=found, fix=fix)
