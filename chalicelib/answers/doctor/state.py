"""Checks of what Sauron keeps: folders, store, disk."""

from __future__ import annotations

from .facts import Facts
from .finding import Finding, well, wrong

OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING, which the queue needs
SAFE_SQLITE = (3, 51, 3)  # earlier ones may damage a file that several programs fold the log of

OTHERS = 0o007


def folder(facts: Facts, check: str) -> Finding | None:
    """Whose the state is, and who may read it."""
    for place in facts.places:
        if place.fault:
            return wrong(check, f"{place.path} cannot be used", place.fault)
        if place.owner:
            return wrong(
                check,
                f"{place.path} belongs to user {place.owner}, and this is another one",
                f"run Sauron as {place.owner}, or run as root: chown -R THIS_USER {place.path}",
            )
        if place.mode is not None and place.mode & OTHERS:
            return wrong(
                check, f"every user of this machine may enter {place.path}", f"run: chmod o-rwx {place.path}"
            )
    return well(check, ", ".join(place.path for place in facts.places)) if facts.places else None


def store(facts: Facts, check: str) -> Finding | None:
    """Whether the store can be opened and is whole."""
    if facts.store_fault is None:
        return well(check, "it can be read") if facts.store_read else None
    what, _, cure = facts.store_fault.partition(". ")
    return wrong(check, what, cure or "name the right store in JOB_QUEUE_DB_URL")


def sqlite(facts: Facts, check: str) -> Finding | None:
    """Whether this SQLite is safe for a store that several processes write."""
    if facts.sqlite_version is None:
        return None
    text = ".".join(map(str, facts.sqlite_version))
    if facts.sqlite_version < OLDEST_SQLITE:
        return wrong(check, f"SQLite {text} lacks what the queue needs", "use a newer Python or the image")
    if facts.sqlite_version < SAFE_SQLITE:
        return well(check, f"SQLite {text}; leave the store's files to Sauron alone")
    return well(check, f"SQLite {text}")


def disk(facts: Facts, check: str) -> Finding | None:
    """Whether there is room for the store."""
    if facts.disk_free_mb is None or facts.settings is None:
        return None
    low = facts.settings.disk_low_mb
    if facts.disk_free_mb < low:
        return wrong(
            check,
            f"{facts.disk_free_mb} MB are free, fewer than SAURON_DISK_LOW_MB ({low})",
            "free some space, or keep less: SAURON_KEEP_LOGS_DAYS, SAURON_KEEP_BACKUPS",
        )
    return well(check, f"{facts.disk_free_mb} MB are free")
