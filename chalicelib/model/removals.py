"""The guard against a manifest that loses most of its jobs by accident: such a revision is held."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .jobs import JobSpec

GUARDED_FROM = 4  # a bundle of at least so many jobs may not lose more than half of them unconfirmed
NAMED = 5  # removed jobs that a message names


def mass_removal(in_force: Collection[str], found: Iterable[JobSpec]) -> list[str]:
    """Return the jobs whose removal is held until somebody confirms it, by id; none if nothing is held.

    `in_force` holds the ids of the bundle's jobs, `found` the good definitions of the new revision. A job
    whose new definition is rejected counts as removed, a renamed one does not.
    """
    specs = list(found)
    kept = {spec.id for spec in specs} | {spec.renamed_from for spec in specs}
    gone = sorted(set(in_force) - kept)
    most = len(in_force) >= GUARDED_FROM and len(gone) * 2 > len(in_force)
    return gone if gone and (most or len(gone) == len(in_force)) else []


def some_of(gone: Collection[str]) -> str:
    """Return the first of these ids as a text."""
    return ", ".join(list(gone)[:NAMED]) + (" ..." if len(gone) > NAMED else "")
