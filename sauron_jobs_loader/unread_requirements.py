"""Files of a bundle that declare packages and are not read, because Sauron installs `requirements.txt` alone.

Where `requirements.txt` exists too, a file is told only if it names a package that `requirements.txt` does
not: many projects keep both. Limit: a lock file or a conda file beside a `requirements.txt` is taken for its
source, and `requirements-dev.txt` and the like for what no job needs.
"""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUIREMENTS = "requirements.txt"
_LARGEST = 1_000_000  # bytes of a file that is read
_SHOWN = 3
_DOT = "write `.` into requirements.txt, which installs this project, or its packages line by line"
_EXPORT = "write its packages into requirements.txt and commit that: `{} requirements.txt`"
_BY_HAND = "write the packages that jobs need into requirements.txt, by the names that pip knows"
_UNKNOWN = (  # files that are not parsed, with what to do
    ("uv.lock", _EXPORT.format("uv export --no-hashes --no-emit-project -o")),
    ("poetry.lock", _EXPORT.format("poetry export -o")),
    ("pdm.lock", _EXPORT.format("pdm export --without-hashes -o")),
    ("Pipfile.lock", _EXPORT.format("pipenv requirements >")),
    ("pylock.toml", _BY_HAND),
    *((name, _BY_HAND) for name in ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")),
)
_ALIKE = re.compile(r"(requirements?|requirments|reqs?|deps|dependencies)?[\w.-]*\.(txt|in)", re.IGNORECASE)
_FOLDERS = ("requirements", "reqs", "deps")
_NOT_FOR_JOBS = re.compile(r"(^|[-_./])(dev|tests?|lint|docs?|ci|typ\w+|constraints?|build|release)\b")
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?=\s*(?:[\[<>=!~;@(,\s]|$))")


@dataclass(frozen=True, slots=True)
class Unread:
    """One file, what it names that is not installed (empty: not known), and what to do."""

    file: str
    names: tuple[str, ...]
    cure: str


@dataclass(slots=True)
class _Read:
    """What `requirements.txt` and the files that it includes say; `found`: there is one with content."""

    names: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    local: bool = False
    found: bool = False


def unread(folder: Path) -> list[Unread]:
    """Return the files of the bundle in `folder` that declare packages and are not read, the best first."""
    read = _Read()
    _include(folder, REQUIREMENTS, read)
    told = []
    for file, names, cure in _sources(folder, alone=not read.found):
        if file in read.files or (read.local and cure is _DOT):
            continue
        lacking = tuple(sorted(names - read.names))
        if lacking or (not names and not read.found):
            told.append(Unread(file, lacking if read.found else (), cure))
    return told


def described(one: Unread) -> str:
    """Return what is wrong with a file, as a predicate."""
    if not one.names:
        return f"is not read: Sauron installs {REQUIREMENTS} beside manifest.py, and nothing else"
    more = f" and {len(one.names) - _SHOWN} more" if len(one.names) > _SHOWN else ""
    return (
        f"names {', '.join(one.names[:_SHOWN])}{more}, which {REQUIREMENTS} does not: only that is installed"
    )


def _sources(folder: Path, *, alone: bool) -> Iterator[tuple[str, set[str], str]]:
    """Yield each file that may declare packages, with their names if they are known, and what to do."""
    present = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    for name, cure in _UNKNOWN:
        if name in present:
            yield name, set(), cure
    for name, names in (
        ("pyproject.toml", _of_pyproject(_toml(folder / "pyproject.toml"))),
        ("setup.cfg", _of_setup_cfg(folder / "setup.cfg")),
    ):
        if names:
            yield name, names, _DOT
    if "Pipfile" in present and (packages := _toml(folder / "Pipfile").get("packages")):
        yield "Pipfile", _normal(packages), _EXPORT.format("pipenv requirements >")
    if "setup.py" in present and "install_requires" in _text(folder / "setup.py"):
        yield "setup.py", set(), _DOT
    inner = _inner(folder, alone=alone)
    for path in [*present.values(), *inner]:
        file = str(path.relative_to(folder))
        match = _ALIKE.fullmatch(path.name)
        if match and (path in inner or match[1]) and file != REQUIREMENTS and not _NOT_FOR_JOBS.search(file):
            found = _Read()
            _include(folder, file, found)
            if found.names:
                yield file, found.names, f"write `-r {file}` into requirements.txt"


def _inner(folder: Path, *, alone: bool) -> list[Path]:
    """Return the files in a folder of requirements; without one at the top, those of its name below too."""
    found: list[Path] = []
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        with suppress(OSError):
            if below.name in _FOLDERS:
                found += sorted(below.iterdir())
            elif alone and (below / REQUIREMENTS).is_file() and not below.name.startswith("."):
                found.append(below / REQUIREMENTS)
    return found


def _include(folder: Path, file: str, read: _Read) -> None:
    path = folder / file
    if file in read.files or not path.resolve().is_relative_to(folder.resolve()):
        return
    read.files.add(file)
    for line in _text(path).splitlines():
        words = line.split("#", 1)[0].strip() if not line.lstrip().startswith("-e") else line.strip()
        if not words:
            continue
        read.found = True
        if match := re.match(r"(?:-r|--requirement)[\s=]*(\S+)", words):
            _include(folder, os.path.relpath(path.parent / match[1], folder), read)
        elif re.match(r"(?:-e\s*|--editable[\s=])?(?:file:)?\.", words):
            read.local = True
        elif not words.startswith("-"):
            read.names |= _normal([words])


def _of_pyproject(table: dict[str, Any]) -> set[str]:
    with suppress(AttributeError, TypeError):
        project = table.get("project", {}).get("dependencies", [])
        poetry = table.get("tool", {}).get("poetry", {}).get("dependencies", {})
        return _normal(list(project)) | (_normal(list(poetry)) - {"python"})
    return set()


def _of_setup_cfg(file: Path) -> set[str]:
    parser = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error):
        parser.read_string(_text(file))
        return _normal(parser.get("options", "install_requires", fallback="").split("\n"))
    return set()


def _normal(requirements: list[str]) -> set[str]:
    """Return the names of requirements as package indexes compare them."""
    found = (_NAME.match(str(one).strip()) for one in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def _toml(file: Path) -> dict[str, Any]:
    with suppress(tomllib.TOMLDecodeError):
        return tomllib.loads(_text(file))
    return {}


def _text(file: Path) -> str:
    """Return the text of a small file; empty if it cannot be read."""
    with suppress(OSError):
        if file.is_file() and file.stat().st_size <= _LARGEST:
            return file.read_bytes().decode("utf-8-sig", "replace")
    return ""
