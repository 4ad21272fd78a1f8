"""A new bundle in a folder: the files of a template or of a crontab, as a git repository with one commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import sauron_jobs_loader
from chalicelib.errors import SauronError
from sauron_jobs_loader import job_umask

IDENTITY = ("-c", "user.name=Sauron", "-c", "user.email=sauron@localhost")
_LOADER = Path(sauron_jobs_loader.__file__).parent
EXAMPLE = "example"


def require_new(folder: Path) -> None:
    """Raise SauronError if a bundle cannot be made in a folder: it holds files, or there is no git."""
    if folder.exists() and any(folder.iterdir()):
        raise SauronError(
            f"{folder} is not empty. Name a new or empty folder, so that no file of yours is overwritten."
        )
    if shutil.which("git") is None:
        raise SauronError("git was not found on PATH. Install it: a bundle is a git repository.")


def from_template(folder: Path, name: str) -> None:
    """Make a bundle with the files of a template. Raises SauronError if it cannot be written."""
    source = _LOADER / name if name == EXAMPLE else _LOADER / "templates" / name
    job_umask.as_before()
    try:
        shutil.copytree(
            source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    except OSError as error:
        raise SauronError(f"{folder} cannot be written: {error}") from error
    _commit(folder, f"Begin with Sauron's {'example jobs' if name == EXAMPLE else f'template {name}'}")


def from_texts(folder: Path, texts: Mapping[str, str], message: str) -> None:
    """Make a bundle with these texts by their file names. Raises SauronError if it cannot be written."""
    job_umask.as_before()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SauronError(f"{folder} cannot be written: {error}") from error
    _commit(folder, message)


def files_of(folder: Path) -> list[str]:
    """Return the files of a bundle, relative to its folder, in order."""
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(str(file) for file in found if ".git" not in file.parts)


def _commit(folder: Path, message: str) -> None:
    """Make the folder a git repository on branch main with one commit."""
    _git(folder, "init", "--quiet", "-b", "main")
    _git(folder, "add", "--all")
    _git(folder, *_identity(folder), "commit", "--quiet", "--no-gpg-sign", "-m", message)


def _git(folder: Path, *arguments: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ended = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if ended.returncode:
        raise SauronError(
            f"git {arguments[0]} failed in {folder}: {ended.stderr.strip() or ended.stdout.strip()}"
        )


def _identity(folder: Path) -> tuple[str, ...]:
    """Return options that name an author for the first commit, if git has none configured."""
    known = subprocess.run(
        ["git", "-C", str(folder), "config", "user.email"], capture_output=True, check=False, timeout=60
    )
    return () if known.stdout.strip() else IDENTITY
