"""Whose a file is, and the line that cures a missing permission: for every message about one.

The line is to cure and to harm nothing: a folder is given to this user as a whole only if it is Sauron's own,
never one that the system or other users share.
"""

import errno
import os
import pwd
import shlex
import stat
from contextlib import suppress
from pathlib import Path

_TOP = "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var"
_INNER = "usr/local var/cache var/lib var/log var/tmp"
_SYSTEM = frozenset(Path("/", name) for name in ("", *_TOP.split(), *_INNER.split()))
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_WRITE, _ENTER = os.W_OK, os.X_OK


def not_writable(path: Path, error: OSError | str, *, below: Path | None = None) -> str:
    """Return which file or folder at `path` this user cannot write, whose it is, and the line that cures it.

    `below` is Sauron's own folder, to be given to this user as a whole; without it, the one around `path`.
    """
    reason = error if isinstance(error, str) else (error.strerror or "permission denied")
    if barred := _barred(path):
        return _told(barred, "entered", reason, _open_way(barred, below))
    at_fault = _unwritable(path)
    if mount := _read_only(at_fault):
        return (
            f"{at_fault} cannot be written by user {_me()}: the disk at {mount} is mounted read-only. "
            f"Run as root: mount -o remount,rw {_quoted(mount)}"
        )
    if os.geteuid() == 0:
        return (
            f"{at_fault} cannot be written by user {_me()} ({reason}), although that is root. "
            "Name another folder"
        )
    return _told(at_fault, "written", reason, _give(path, at_fault, below or path.parent))


def not_readable(
    path: Path, error: OSError | str, *, whole: Path | None = None, private: bool = False
) -> str:
    """Return which file or folder at `path` this user cannot read, whose it is, and the curing line.

    `whole` is the folder to be opened for reading, by default the path; what is `private` is given to this
    user instead.
    """
    reason = error if isinstance(error, str) else (error.strerror or "permission denied")
    if barred := _barred(path):
        return _told(barred, "entered", reason, _open_way(barred, None))
    if _is_mine(path):
        line = f"Run: chmod -R u+rX {_quoted(path)}"
    elif private:
        line = f"Run as root: chown {_me()} {_quoted(path)}"
    else:
        line = f"Run as root: chmod -R o+rX {_quoted(whole or path)}"
    return _told(path, "read", reason, line)


def cure(path: Path, error: OSError, *, below: Path | None = None) -> str:
    """Return why a file cannot be opened or made, and what to do about it."""
    if error.errno in _DENIED:
        return not_writable(path, error, below=below)
    if error.errno in FULL:
        return f"{error.strerror}; free some space on the disk of {_nearest(path.parent)}"
    return f"{error.strerror}; free some space, or make the folder writable for this user"


def owner_name(uid: int) -> str:
    """Return a user's name, or the number of one that has none here."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def first_closed(place: Path, *, writing: bool) -> Path | None:
    """Return the first folder from a place downwards that this user cannot use, or file it cannot read."""
    folder = os.R_OK | _ENTER | (_WRITE if writing else 0)
    if _barred(place):
        return place
    if place.exists() and not _may(place, folder if place.is_dir() else os.R_OK):
        return place
    for root, folders, files in os.walk(place):
        here = Path(root)
        closed = [here / name for name in folders if not _may(here / name, folder)]
        closed += [here / name for name in files if not _may(here / name, os.R_OK)]
        if closed := [one for one in closed if one.exists()]:  # and is not a link to nowhere
            return min(closed)
    return None


def _told(at_fault: Path, act: str, reason: str, line: str) -> str:
    return f"{at_fault} cannot be {act} by user {_me()} ({reason}){_whose(at_fault)}. {line}"


def _give(path: Path, at_fault: Path, own: Path) -> str:
    """Return the line that gives a file or folder to this user."""
    if _is_mine(at_fault):
        return f"Run: chmod u+rw{'x' if at_fault.is_dir() else ''} {_quoted(at_fault)}"
    if not own.exists():
        if own.parent == own or own in _SYSTEM or _is_virtual(own):
            return "Name another folder"
        return f"Run as root: mkdir -p {_quoted(own)} && chown {_me()} {_quoted(own)}"
    if not _is_shared(own):
        return f"Run as root: chown -R {_me()} {_quoted(own)}"
    if at_fault.is_dir() and (at_fault == own or _is_shared(at_fault)):
        return f"Name a folder of Sauron's own, not {path}"
    whole = "-R " if at_fault.is_dir() else ""
    return f"Run as root: chown {whole}{_me()} {_quoted(at_fault)}"


def _open_way(barred: Path, below: Path | None) -> str:
    if barred in _SYSTEM:
        return "Name another folder"
    if _is_mine(barred):
        return f"Run: chmod u+rwx {_quoted(barred)}"
    if below is not None and barred.is_relative_to(below) and not _is_shared(below):
        return f"Run as root: chown -R {_me()} {_quoted(below)}"
    return f"Run as root: chmod o+x {_quoted(barred)}"


def _is_shared(folder: Path) -> bool:
    """Return whether a folder serves others than Sauron: the system, every user, or one other user."""
    status = folder.stat()
    others = status.st_uid not in {0, os.geteuid()} or bool(status.st_mode & stat.S_ISVTX)
    return others or folder in _SYSTEM or folder.parent == Path("/home") or _is_virtual(folder)


def _is_virtual(path: Path) -> bool:
    """Return whether a path is below a folder that the kernel makes up, where nobody keeps files."""
    return any(path.is_relative_to(top) for top in ("/proc", "/sys"))


def _barred(path: Path) -> Path | None:
    """Return the uppermost folder on the way to `path` that this user cannot enter, or None."""
    for folder in reversed(path.absolute().parents):
        if not folder.exists():
            return None
        if folder.is_dir() and not _may(folder, _ENTER):
            return folder
    return None


def _unwritable(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there, whichever is not writable."""
    if path.exists() and not _may(path, _WRITE | (_ENTER if path.is_dir() else 0)):
        return path
    folder = _nearest(path.parent)
    return path if path.exists() and _may(folder, _WRITE | _ENTER) else folder


def _nearest(folder: Path) -> Path:
    return next((one for one in (folder, *folder.parents) if one.exists()), folder)


def _read_only(path: Path) -> Path | None:
    """Return where the disk of `path` is mounted, if it is mounted read-only."""
    with suppress(OSError):
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return next((one for one in (path, *path.absolute().parents) if one.is_mount()), None)
    return None


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _is_mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _whose(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    if status.st_uid == os.geteuid():
        return f": its permissions are {stat.S_IMODE(status.st_mode):04o}"
    kind = "folder" if path.is_dir() else "file"
    return f": the {kind} belongs to user {owner_name(status.st_uid)}"


def _me() -> str:
    return f"{os.geteuid()}:{os.getegid()}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
