"""The commits between two revisions of a mirror: who wrote what since, and what one of them lacks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from .checkouts import FULL_SHA
from .export import RunGit

MOST = 100  # commits that are told of
_FIELD, _END = "\x1f", "\0"
_FORMAT = "%H%x1f%aI%x1f%an%x1f%s"

Commits = list[dict[str, Any]]


def between(base: str | None, sha: str, *, git_dir: Path, run: RunGit) -> tuple[Commits, Commits]:
    """Return the newest commits of `sha` that `base` lacks, and those of `base` that `sha` lacks.

    Each is {sha, subject, author, authored_at}; a time that cannot be read is None. If the mirror does not
    have `base`, the commit `sha` alone is returned.
    """
    if base == sha:
        return [], []
    if base is not None and FULL_SHA.fullmatch(base):
        new = _log([f"^{base}", sha], MOST, git_dir, run)
        if new is not None:
            return new, _log([f"^{sha}", base], MOST, git_dir, run) or []
    return _log([sha], 1, git_dir, run) or [], []


def _log(revisions: list[str], most: int, git_dir: Path, run: RunGit) -> Commits | None:
    listing = ["log", "-z", f"--max-count={most}", f"--format={_FORMAT}", "--encoding=UTF-8", "--no-notes"]
    result = run([*listing, *revisions, "--"], {"GIT_DIR": str(git_dir.absolute())})
    if not result.ok:
        return None
    return [_commit(line) for line in result.stdout.split(_END) if line.count(_FIELD) >= 3]  # noqa: PLR2004 - as in the format


def _commit(line: str) -> dict[str, Any]:
    sha, at, author, subject = line.split(_FIELD, 3)
    try:
        authored_at = datetime.fromisoformat(at)
    except ValueError:
        authored_at = None
    return {"sha": sha.strip(), "subject": subject, "author": author, "authored_at": authored_at}
