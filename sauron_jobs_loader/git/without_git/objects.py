"""Git's raw objects, read without git: the files, the subject and the author of a commit.

Every object is hashed before it is used, so a commit id guarantees each byte that is written. Files come out
as in a fresh clone: executable or not, symbolic links as links, submodules as empty folders, no filter, no
line ending changed. A hostile tree is refused: one with names that lead elsewhere, or with one name twice,
which could write through a link.

Limit: one file at a time is held in memory; SHA-1 repositories only.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from sauron_jobs_loader import job_umask
from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.export import DamagedMirrorError
from sauron_jobs_loader.git.limits import TreeCount, TreeLimits

ReadObject = Callable[[bytes], tuple[int, bytes]]
"""Returns type number and content of the object with that hexadecimal id.

Raises KeyError if it does not exist.
"""

_COMMIT, _TREE, _BLOB = 1, 2, 3
_TYPES = {_COMMIT: b"commit", _TREE: b"tree", _BLOB: b"blob"}
_TREE_LINE = re.compile(rb"tree ([0-9a-f]{40})\n")
_AUTHOR = re.compile(
    rb"^author (?P<name>[^\n]*?) ?<[^\n]*> (?P<time>-?\d+) (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)$",
    re.MULTILINE,
)
_ENCODING = re.compile(rb"^encoding ([\w.:-]+)$", re.MULTILINE)
_ID_BYTES = 20


def write_files(
    sha: str,
    read: ReadObject,
    folder: Path,
    *,
    limits: TreeLimits | None = None,
    check_time: Callable[[], None] = lambda: None,
) -> bytes:
    """Write the files of commit `sha` into the empty `folder`; return the content of the commit object.

    `check_time` is called before every entry and may raise. Raises DamagedMirrorError if an object is missing
    or does not match its id, SourceError for a tree that is refused, OSError if a file cannot be written,
    KeyError if the commit does not exist.
    """
    commit = _verified(read, sha.encode(), _COMMIT)
    found = _TREE_LINE.match(commit)
    if found is None:
        raise DamagedMirrorError(f"commit {sha} lacks its tree")
    writer = _Writer(read, folder, sha, TreeCount(sha, limits or TreeLimits()))
    waiting = [(found[1], b"")]
    while waiting:
        tree, below = waiting.pop()
        for mode, name, target in _entries(_part(read, tree, _TREE)):
            check_time()
            if writer.write(mode, name, target, below):
                waiting.append((target, below + name + b"/"))
    return commit


def about(sha: str, commit: bytes) -> dict[str, Any] | None:
    """Return `subject`, `author` and `authored_at` (aware) from a commit's content.

    None if the content is not that of commit `sha`, or cannot be read.
    """
    if _id(b"commit", commit) != sha.encode():
        return None
    head, _, message = commit.partition(b"\n\n")
    author = _AUTHOR.search(head)
    if author is None:
        return None
    named = _ENCODING.search(head)
    try:
        encoding = named[1].decode("ascii") if named else "utf-8"
        b"".decode(encoding)
    except (LookupError, UnicodeDecodeError):
        encoding = "utf-8"
    offset = timedelta(hours=int(author["hours"]), minutes=int(author["minutes"])) * (
        -1 if author["sign"] == b"-" else 1
    )
    try:
        at = datetime.fromtimestamp(int(author["time"]), UTC).astimezone(timezone(offset))
    except (ValueError, OverflowError, OSError):
        return None
    subject = message.lstrip(b"\n").split(b"\n", 1)[0]
    return {
        "subject": subject.decode(encoding, "replace"),
        "author": author["name"].decode(encoding, "replace"),
        "authored_at": at,
    }


def _id(kind: bytes, content: bytes) -> bytes:
    return (
        hashlib.sha1(b"%s %d\0" % (kind, len(content)) + content, usedforsecurity=False).hexdigest().encode()
    )


def _verified(read: ReadObject, name: bytes, kind: int) -> bytes:
    try:
        found, content = read(name)
    except (KeyError, OSError, SourceError):
        raise
    except Exception as error:
        raise DamagedMirrorError(
            f"object {name.decode()} cannot be read: {type(error).__name__}: {error}"
        ) from error
    if found != kind or _id(_TYPES[kind], content) != name:
        raise DamagedMirrorError(f"object {name.decode()} does not match its id")
    return content


def _part(read: ReadObject, name: bytes, kind: int) -> bytes:
    try:
        return _verified(read, name, kind)
    except KeyError:
        raise DamagedMirrorError(f"object {name.decode()} is missing") from None


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the entries of one commit's trees below `folder`."""

    read: ReadObject
    folder: Path
    sha: str
    count: TreeCount

    def write(self, mode: int, name: bytes, target: bytes, below: bytes) -> bool:
        """Write an entry of the tree `below`; return whether it is a folder, whose own entries come later."""
        if name in (b"", b".", b"..") or b"/" in name or name.lower() == b".git":
            raise _refused(self.sha, f"holds a file with the forbidden name {os.fsdecode(name)!r}")
        self.count.add(below + name, 0)
        place = self.folder / os.fsdecode(below + name)
        try:
            if stat.S_ISDIR(mode):
                place.mkdir()
                return True
            if stat.S_ISLNK(mode):
                place.symlink_to(os.fsdecode(_part(self.read, target, _BLOB)))
            elif stat.S_ISREG(mode):
                content = _part(self.read, target, _BLOB)
                self.count.add_size(len(content))
                _write_file(place, content, executable=bool(mode & stat.S_IXUSR))
            elif mode == 0o160000:  # noqa: PLR2004 - git's number for a submodule
                place.mkdir()
            else:
                raise DamagedMirrorError(f"a tree holds the mode {mode:o}")
        except FileExistsError:
            raise _refused(self.sha, f"holds the name {os.fsdecode(name)!r} twice in one folder") from None
        return False


def _entries(tree: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Return mode, name and hexadecimal id of each entry of a tree's content."""
    at = 0
    try:
        while at < len(tree):
            space = tree.index(b" ", at)
            end = tree.index(b"\0", space)
            target = tree[end + 1 : end + 1 + _ID_BYTES]
            yield int(tree[at:space], 8), tree[space + 1 : end], target.hex().encode()
            at = end + 1 + _ID_BYTES
    except ValueError:
        raise DamagedMirrorError("a tree cannot be read") from None


def _write_file(place: Path, content: bytes, *, executable: bool) -> None:
    descriptor = os.open(
        place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o777 if executable else 0o666
    )
    with os.fdopen(descriptor, "wb") as stream:
        if (umask := job_umask.of_children()) != job_umask.INHERIT:
            os.fchmod(descriptor, (0o777 if executable else 0o666) & ~umask)  # as git, a child, writes it
        stream.write(content)


def _refused(sha: str, why: str) -> SourceError:
    return SourceError(
        f"revision {sha[:12]} {why}; rename it and push again", fault=SourceFault.UNSAFE_CONTENT, ref=sha
    )
