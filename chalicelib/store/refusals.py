"""Why a store cannot be used, and what to do about it: for who starts Sauron, and who asks it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.postgresql import tls

from .permissions import closed_part, unwritable
from .postgres import engine as postgres

ERRORS = (DBAPIError, PoolTimeoutError)  # of a store that refused a statement or a connection
UNUSABLE = "The store cannot be used right now. Try again; Sauron's log has the reason."
BUSY = "All connections to the database are in use. Try again, or start fewer workers (SAURON_WORKERS)."
# By what SQLite says: the cure at a start, and what is said while Sauron runs.
_SAID = {
    "disk is full": (
        " Free some space on its disk, then start again.",
        "The disk of the store is full. Free some space there; Sauron then goes on by itself.",
    ),
    "is locked": (
        " Another process holds it. End that one, or wait, then start again.",
        "The store is locked: another process holds it. End that one, or try again.",
    ),
    "disk I/O error": (
        " Look at its disk and its quota, free some space there, then start again.",
        "The disk of the store fails. Look at it and its quota, and free some space there.",
    ),
    "readonly database": (
        " Look at the owner and rights of its file, then start again.",
        "Sauron may not write to the store. Look at the owner and rights of its file.",
    ),
}


def is_one(error: BaseException) -> bool:
    """Say whether the store could not do it, not that it was told something wrong or is to be asked again."""
    told_wrong = isinstance(error, IntegrityError | DataError)
    deadlocked = isinstance(error, DBAPIError) and postgres.victim(error)
    return isinstance(error, SQLAlchemyError) and not told_wrong and not deadlocked


def in_use(error: SQLAlchemyError) -> str:
    """Return what is said of one of `ERRORS` to whoever asked a Sauron that runs."""
    if isinstance(error, PoolTimeoutError):
        return BUSY
    reason = str(error.orig) if isinstance(error, DBAPIError) else ""
    return next((words for sign, (_, words) in _SAID.items() if sign in reason), UNUSABLE)


def explained(error: DBAPIError, url: URL, path: Path | None) -> str:
    """Return the reason and the cure to whoever starts Sauron; `path` is the file of an SQLite store."""
    reason = str(error.orig)
    if path is None:
        hidden = url.render_as_string(hide_password=True)
        return f"The database {hidden} cannot be used: {tls.advised(reason.strip())}"
    if "not a database" in reason:
        todo = "Move the file away, or name another in JOB_QUEUE_DB_URL."
        return f"{path} is not an SQLite database. {todo}"
    if ("unable to open" in reason or "readonly" in reason) and closed_part(path):
        return unwritable(path, error)
    todo = next((cure for sign, (cure, _) in _SAID.items() if sign in reason), "")
    return f"The store {path} cannot be used: {reason}.{todo}"
