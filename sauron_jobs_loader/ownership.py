"""Whose a file is, and the line that gives it to this user: for every message about a missing permission."""

import errno
import os
import pwd
from contextlib import suppress
from pathlib import Path


def not_writable(path: Path, error: OSError | str, *, below: Path | None = None) -> str:
    """Return which file or folder at `path` this user cannot write, whose it is, and the line that cures it.

    `below` is the folder to be given to this user as a whole; without it, the one at fault or around it.
    """
    at_fault = _at_fault(path)
    reason = error if isinstance(error, str) else (error.strerror or "permission denied")
    me = f"{os.geteuid()}:{os.getegid()}"
    folder = below or (at_fault if at_fault.is_dir() else at_fault.parent)
    return (
        f"{at_fault} cannot be written by user {me} ({reason}){_whose(at_fault)}. "
        f"Run as root, on the host: chown -R {me} {folder}"
    )


def cure(path: Path, error: OSError, *, below: Path | None = None) -> str:
    """Return why a file cannot be opened or made, and what to do about it."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return not_writable(path, error, below=below if below and below.is_dir() else None)
    return f"{error.strerror}; free some space, or make the folder writable for this user"


def owner_name(uid: int) -> str:
    """Return a user's name, or the number of one that has none here."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _at_fault(path: Path) -> Path:
    """Return the path if it is there, else the nearest folder above it: that one refused to hold it."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _whose(path: Path) -> str:
    try:
        owner = path.stat().st_uid
    except OSError:
        return ""
    kind = "folder" if path.is_dir() else "file"
    return "" if owner == os.geteuid() else f": the {kind} belongs to user {owner_name(owner)}"
