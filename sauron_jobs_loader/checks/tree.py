"""A bundle's files as the checks see them: names, beginnings, and what git says of them.

Links are not followed, folders of caches and of git are passed over. Limit: the first 20,000 files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sauron_jobs_loader.named_file import content_of

MOST_FILES = 20_000
HEAD_BYTES = 1024
_PASSED_OVER = frozenset({".git", "__pycache__", ".venv", "venv", "node_modules", ".tox", ".mypy_cache"})
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class BundleTree:
    """A bundle in `folder`.

    `jobs` are the records of its jobs, as far as they loaded, and `loaded` the files that loading executed,
    relative to the folder. `committed`: the folder is the checkout of a commit, not an author's working copy.
    `top` is the folder of the whole repository: the bundle's own, or the one that holds it. `path` is the
    PATH of the jobs, by default this process's.
    """

    folder: Path
    top: Path
    committed: bool
    jobs: Sequence[Mapping[str, Any]] = ()
    loaded: Sequence[str] = ()
    path: str = ""

    @classmethod
    def working_copy(
        cls,
        folder: Path,
        jobs: Sequence[Mapping[str, Any]] = (),
        loaded: Sequence[str] = (),
        path: str = "",
    ) -> BundleTree:
        """Return the tree of an author's folder; its repository is the nearest above it with a `.git`."""
        top = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
        return cls(folder, top, committed=False, jobs=jobs, loaded=loaded, path=path)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The files and links of the bundle, relative to its folder, sorted."""
        return self._walked[0]

    @cached_property
    def empty_folders(self) -> tuple[str, ...]:
        """The folders that hold nothing. Git keeps none, so in a commit each is a submodule."""
        return self._walked[1]

    @cached_property
    def repositories(self) -> tuple[str, ...]:
        """The folders inside the bundle that are git repositories of their own."""
        return self._walked[2]

    @cached_property
    def executables(self) -> Mapping[str, bool]:
        """Whether git keeps a file of an author's working copy as executable, for the files that it tracks.

        Empty for a checkout, whose files have git's modes, and where git's index cannot be read.
        """
        if self.committed or not (self.top / ".git").exists():
            return {}
        from dulwich.repo import Repo

        try:
            with Repo(str(self.top)) as repository:
                tracked = {
                    os.fsdecode(name): bool(entry.mode & 0o111)
                    for name, entry in repository.open_index().items()
                    if hasattr(entry, "mode")
                }
        except Exception:  # noqa: BLE001 - an index of any form; then the file system's modes count
            return {}
        return {
            own: executable
            for name, executable in tracked.items()
            if (own := self.in_bundle(name)) is not None
        }

    def head(self, name: str) -> bytes:
        """Return the first bytes of a file; none of a link or of a file that cannot be read."""
        try:
            descriptor = os.open(self.folder / name, _READ)
        except OSError:
            return b""
        with os.fdopen(descriptor, "rb") as stream:
            try:
                return stream.read(HEAD_BYTES)
            except OSError:
                return b""

    def lines(self, file: str) -> Iterator[tuple[int, str]]:
        """Yield the lines of a small text file of the repository with their numbers; none if it is not there.

        `file` is relative to the top of the repository.
        """
        try:
            text = content_of(self.top / file, patience=0).decode("utf-8", "replace")
        except OSError:
            return
        yield from enumerate(text.splitlines(), start=1)

    def in_bundle(self, path: str) -> str | None:
        """Return a path of the repository relative to the bundle's folder; None if it is outside of it."""
        place = self.top / path
        return str(place.relative_to(self.folder)) if place.is_relative_to(self.folder) else None

    @cached_property
    def _walked(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        names: list[str] = []
        empty: list[str] = []
        repositories: list[str] = []
        waiting = [""]
        while waiting and len(names) < MOST_FILES:
            below = waiting.pop()
            try:
                entries = sorted(os.scandir(self.folder / below), key=lambda entry: entry.name)
            except OSError:
                continue
            if below and not entries:
                empty.append(below)
            if below and any(entry.name == ".git" for entry in entries):
                repositories.append(below)
                continue
            for entry in entries:
                name = os.path.join(below, entry.name)  # noqa: PTH118 - a hot loop
                if not entry.is_dir(follow_symlinks=False):
                    names.append(name)
                elif entry.name not in _PASSED_OVER:
                    waiting.append(name)
        return tuple(sorted(names[:MOST_FILES])), tuple(sorted(empty)), tuple(sorted(repositories))
