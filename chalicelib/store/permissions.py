"""Who may read and write the files of the store: made for this user alone, and said so when they are not.

The store holds logs, params, results and alerts of jobs, so no other user of the machine may read it. Files
of earlier versions that every user may read are closed when Sauron starts; a group that was let in by hand
stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from chalicelib.errors import StoreError
from sauron_jobs_loader.ownership import FULL, cure, not_writable, owner_name

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


def claim_folder(folder: Path) -> None:
    """Make a folder if it is not there. Raises StoreError with the chown line when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StoreError(unwritable(folder, error, below=folder)) from error


def unwritable(path: Path, error: Exception, *, below: Path | None = None) -> str:
    """Return what cannot be written, whose it is, and the line that cures it.

    Beside a file its -wal and the folder are needed too: the one that is at fault is named. `below` is the
    folder to be given to this user, by default the one around `path`.
    """
    at_fault = closed_part(path) or path
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{path} cannot be written: {cure(path, error)}."
    if isinstance(error, OSError) and error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return f"a file is in the way of {below or path}. Name another place."
    reason = getattr(error, "strerror", None) or "permission denied"
    return not_writable(at_fault, reason, below=below or path.parent)


def closed_part(path: Path) -> Path | None:
    """Return the first of a folder or of what belongs to a store that this user cannot write, or None."""
    parts = [Path(f"{path}{end}") for end in ("", "-wal", "-shm")] if not os.path.isdir(path) else [path]  # noqa: PTH112
    for part in (*parts, path.parent):
        if os.path.lexists(part) and not os.access(part, os.W_OK):
            return part
    return None if os.access(path.parent, os.X_OK) else path.parent


def open_lock_file(store: Path, end: str) -> int:
    """Open the lock file `end` beside a store, and make it if it is not there; return its descriptor.

    Root makes it for whom the store belongs to, who could not open it otherwise. Raises StoreError.
    """
    file = store.with_name(store.name + end)
    try:
        new = not file.exists()
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        if new and os.geteuid() == 0:
            owner = (store if store.exists() else store.parent).stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise StoreError(unwritable(file, error)) from error
    return descriptor


def real_path(name: str) -> Path:
    """Return the file that a name leads to: what lies beside the store lies beside the file itself."""
    return Path(os.path.realpath(name))  # `Path.resolve` raises for a link that leads to itself


def refuse_another_kind(store: Path) -> None:
    """Raise StoreError for a folder, a device or a pipe, of which nothing may be changed.

    So is a file of several names: SQLite keeps a log for each name, and two programs that use two of them
    damage the file (https://sqlite.org/howtocorrupt.html, section 2.4).
    """
    if store.is_symlink():
        raise StoreError(f"The store {store} is a symbolic link that leads to itself. Name the file.")
    if store.is_file() and (names := store.stat().st_nlink) > 1:
        raise StoreError(
            f"The store {store} is one file with {names} names (hard links), and whoever opens it by another "
            f"name damages it. Find them with `find DIRECTORY -samefile {store}` and remove the others. "
            "A hard link is not a backup; `sauron backup FILE` makes one."
        )
    if store.exists() and not store.is_file():
        what = "a folder" if store.is_dir() else "a device or a pipe"
        raise StoreError(
            f"The store {store} is {what}. Write the path of a file: "
            "JOB_QUEUE_DB_URL=sqlite:////absolute/path.sqlite3"
        )


def tighten(paths: Iterable[Path]) -> None:
    """Close those of the paths that every user of this machine may enter, read or write.

    A shared folder, one that this process works in, and what belongs to another user stay as they are.
    """
    for path in paths:
        with contextlib.suppress(OSError):
            mode = path.lstat().st_mode
            folder = stat.S_ISDIR(mode)
            shared = mode & stat.S_ISVTX or (folder and Path.cwd().is_relative_to(path.absolute()))
            if mode & stat.S_IRWXO and not shared and (folder or stat.S_ISREG(mode)):
                path.chmod(PRIVATE_FOLDER if folder else PRIVATE_FILE)


def strangers(path: Path, *, uid: int) -> str | None:
    """Return a warning for root about to write where another user's files are, or None.

    What root makes there, that user cannot write: its next sync or start would fail.
    """
    near = next((one for one in (path, *path.absolute().parents) if one.exists()), None)
    owner = near.stat().st_uid if near else uid
    if near is None or uid != 0 or owner == uid:
        return None
    name = owner_name(owner)
    return (
        f"This runs as root, but {near} belongs to user {name}, who cannot write the files that root makes. "
        f"Run the command as that user: docker exec -u {owner} ..., or sudo -u {name} ..."
    )
