"""Why a store cannot be used, and what to do about it, in words for whoever started Sauron."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from chalicelib.postgresql import tls

from .permissions import closed_part, unwritable

_CURES = {
    "full": " Free some space on its disk, then start again.",
    "locked": " Another process holds it. End that one, or wait, then start again.",
    "disk I/O": " Look at its disk, and free some space there, then start again.",
}


def explained(error: DBAPIError, url: URL, path: Path | None) -> str:
    """Return the reason and the cure; `path` is the file of an SQLite store."""
    reason = str(error.orig)
    if path is None:
        hidden = url.render_as_string(hide_password=True)
        return f"The database {hidden} cannot be used: {tls.advised(reason.strip())}"
    if "not a database" in reason:
        todo = "Move the file away, or name another in JOB_QUEUE_DB_URL."
        return f"{path} is not an SQLite database. {todo}"
    if ("unable to open" in reason or "readonly" in reason) and closed_part(path):
        return unwritable(path, error)
    todo = next((todo for sign, todo in _CURES.items() if sign in reason), "")
    return f"The store {path} cannot be used: {reason}.{todo}"
