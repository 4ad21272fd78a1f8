"""What the files of a checkout were when it was made, so that a later change of it is found.

One line of `lstat` facts and one digest are kept for each file. Whether a file is as it was is read from its
facts alone, which is cheap; only where those differ is its content read. A folder `__pycache__` is left out:
Python compares what is in it with the source. Limit: empty folders are not looked at.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import json
import os
import stat
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

Facts = tuple[int, ...]
"""Mode, size, times of the last change of content and of anything, inode."""

NAMED = 5  # files that a sentence names
CODE = tuple(importlib.machinery.all_suffixes())


@dataclass(frozen=True, slots=True)
class Altered:
    """How a checkout differs from its commit: files that changed or are gone, and files that were added."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.added)

    @property
    def code(self) -> bool:
        """Whether the checkout no longer does what its commit does: more than data was added to it."""
        return bool(self.changed) or any(path.endswith(CODE) for path in self.added)

    def only(self, paths: Collection[str]) -> Altered:
        """Return the part of it that is in these paths."""
        return Altered(
            tuple(path for path in self.changed if path in paths),
            tuple(path for path in self.added if path in paths),
        )

    def __str__(self) -> str:
        paths = [*self.changed, *self.added]
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        return ", ".join(paths[:NAMED]) + more


def look(tree: Path) -> dict[str, Facts]:
    """Return the facts of every file and link below `tree` by its path. A file that vanishes is left out."""
    found: dict[str, Facts] = {}
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            entries = list(os.scandir(f"{tree}/{below}"))
        except OSError:
            continue
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    folders.append(f"{path}/")
                continue
            try:
                found[path] = _facts(entry.stat(follow_symlinks=False))
            except OSError:
                continue
    return found


def save(file: Path, tree: Path) -> None:
    """Write the snapshot of `tree` to `file`."""
    facts = look(tree)
    content = {path: [*facts[path], _digest(tree / path)] for path in facts}
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}.tmp")
    temporary.write_text(json.dumps(content), encoding="ascii")
    temporary.replace(file)


def compare(file: Path, tree: Path) -> Altered | None:
    """Return how `tree` differs from the snapshot in `file`; None if that cannot be read.

    Facts that changed while the content did not (a copy of the folder, a backup that was restored) are no
    difference, and are noted for the next time.
    """
    try:
        kept: dict[str, list[int | str]] = json.loads(file.read_text(encoding="ascii"))
        known = {path: (tuple(map(int, entry[:-1])), str(entry[-1])) for path, entry in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError):
        return None
    now = look(tree)
    touched = [path for path, (facts, _digest) in known.items() if now.get(path) != facts]
    changed = [path for path in touched if not _same(tree / path, now.get(path), *known[path])]
    added = [path for path in now if path not in known]
    if touched and not changed and not added:
        save(file, tree)
    return Altered(tuple(sorted(changed)), tuple(sorted(added)))


def since(before: Mapping[str, Facts], now: Mapping[str, Facts]) -> list[str]:
    """Return the paths that differ between two looks, sorted."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def _same(path: Path, facts: Facts | None, before: Facts, digest: str) -> bool:
    return facts is not None and facts[0] == before[0] and facts[1] == before[1] and _digest(path) == digest


def _facts(of: os.stat_result) -> Facts:
    return of.st_mode, of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino


def _digest(path: Path) -> str:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return "-> " + os.fspath(path.readlink())
        if not stat.S_ISREG(mode):
            return ""
        with path.open("rb") as content:
            return hashlib.file_digest(content, "blake2b").hexdigest()
    except OSError:
        return ""
