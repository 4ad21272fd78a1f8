"""The requirements of a checkout, with a digest of everything in it that may change them.

The digest covers requirements.txt, every file that it includes by `-r` or `-c`, and the files of every path
of the checkout that it installs or looks for packages in. An include or install outside of the checkout is
refused, because it may change unnoticed.

Limit: the content of indexes and other addresses is not part of the digest; a requirement without a version
is resolved once per digest.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.masking import credentials_in

REQUIREMENTS = "requirements.txt"
IGNORED = frozenset({".git", ".venv", "__pycache__"})
"""Folders that are not part of a bundle."""

_INCLUDING = frozenset({"-r", "--requirement", "-c", "--constraint"})
_CONSTRAINING = frozenset({"-c", "--constraint"})
_INSTALLING = frozenset({"-e", "--editable"})
_LOOKING = frozenset({"-f", "--find-links"})
_ARCHIVE = re.compile(r"\.(whl|zip|tar|tgz|tbz|txz|tar\.(gz|bz2|xz|lzma))$", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_NAMED = re.compile(r"^[\w.-]+\s*(\[[^\]]*\])?\s*@\s*")
_EXTRAS = re.compile(r"\[[^\]/]*\]$")


class RequirementsError(LoaderError):
    """The requirements of a bundle cannot be installed.

    `exit_code` is the installer's, if it ended by itself.
    """

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Requirements:
    """The requirements of a checkout.

    `local`: a path of the checkout is installed; `editable`: and used where it is. `wanted` are the
    requirements with their places, such as ("requirements.txt:3", "httpx>=0.27"), without constraints.
    `credentials` are those in addresses; `variables` are the names used as `${NAME}`, which often hold
    credentials too.
    """

    digest: str
    local: bool
    editable: bool
    credentials: frozenset[str]
    variables: frozenset[str]
    wanted: tuple[tuple[str, str], ...]


def read(folder: Path) -> Requirements | None:
    """Return the requirements of a checkout, None if there are none.

    Raises RequirementsError for a refused path.
    """
    file = folder / REQUIREMENTS
    if not file.is_file() or not any(True for _ in _lines(_text(file))):
        return None
    reader = _Reader(folder.resolve())
    reader.read(file.resolve(), REQUIREMENTS)
    return Requirements(
        reader.hash.hexdigest(),
        reader.local,
        reader.editable,
        frozenset(reader.credentials),
        frozenset(reader.variables),
        tuple(reader.wanted),
    )


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8-sig", "replace")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return the logical lines with their numbers: joined at backslashes, no comments, no empty lines."""
    held, first = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if not held:
            first = number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            held += line[:-1] + " "
            continue
        whole = re.sub(r"(^|\s+)#.*$", "", held + line).strip()
        held = ""
        if whole:
            yield first, whole


class _Reader:
    """Reads the requirement files of one checkout and all that they include."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()
        self.hash = hashlib.sha256()
        self.local = False
        self.editable = False
        self.credentials: set[str] = set()
        self.variables: set[str] = set()
        self.wanted: list[tuple[str, str]] = []
        self._constraining = False

    def read(self, file: Path, name: str) -> None:
        """Read one file and the files that it includes."""
        if file in self._seen:
            return
        self._seen.add(file)
        text = _text(file)
        self._add(name, file.read_bytes())
        self.credentials.update(credentials_in(text))
        self.variables.update(_VARIABLE.findall(text))
        for number, line in _lines(text):
            self._line(line, file.parent, f"{name}:{number}")

    def _line(self, line: str, base: Path, place: str) -> None:
        option, value = _option(line)
        if (not option or option in _INSTALLING) and not self._constraining:
            self.wanted.append((place, value))
        if option in _INCLUDING:
            if "://" not in value:
                before, self._constraining = self._constraining, self._constraining or option in _CONSTRAINING
                self._include(value, base, place)
                self._constraining = before
        elif option in _LOOKING:
            if (path := _path(value, plain=True)) and (inside := self._inside(path, base)):
                self._tree(inside)
        elif (not option or option in _INSTALLING) and (path := _path(value)):
            inside = self._inside(path, base)
            if inside is None:
                raise RequirementsError(
                    f"{place} installs {path!r}, which is not in the bundle. Put it into the repository, "
                    "or name the package and the folder of its wheels with --find-links."
                )
            self.local = True
            self.editable |= bool(option)
            self._tree(inside)

    def _include(self, value: str, base: Path, place: str) -> None:
        file = (base / value).resolve()
        if not file.is_relative_to(self._folder):
            raise RequirementsError(
                f"{place} includes {value!r}, which is not in the bundle. Put the file into the repository."
            )
        if not file.is_file():
            raise RequirementsError(
                f"{place} includes {value!r}, which does not exist. Is the file committed?"
            )
        self.read(file, str(file.relative_to(self._folder)))

    def _inside(self, path: str, base: Path) -> Path | None:
        """Return a path in the checkout: relative to its top or, if that does not exist, to the file."""
        places = [
            place
            for start in (self._folder, base)
            if (place := (start / path).resolve()).is_relative_to(self._folder)
        ]
        return next((place for place in places if place.exists()), places[0] if places else None)

    def _tree(self, path: Path) -> None:
        if path.is_file():
            self._add(str(path.relative_to(self._folder)), path.read_bytes())
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if name not in IGNORED)
            for name in sorted(files):
                file = Path(folder) / name
                if file.is_file():
                    self._add(str(file.relative_to(self._folder)), file.read_bytes())

    def _add(self, name: str, content: bytes) -> None:
        self.hash.update(f"{len(name.encode())} {name} {len(content)} ".encode() + content)


def _option(line: str) -> tuple[str, str]:
    """Split a line into its option ("" without one) and the value."""
    if not line.startswith("-"):
        return "", line
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    name, equals, value = words[0].partition("=")
    if not equals and len(words) > 1:
        value = " ".join(words[1:])
    if not name.startswith("--") and len(name) > len("-r"):
        name, value = name[:2], words[0][2:].removeprefix("=")
    return name, value


def _path(text: str, *, plain: bool = False) -> str | None:
    """Return the path that a requirement names by pip's rules, None if it is a name or an address.

    With `plain` any word is a path.
    """
    text = re.split(r"\s+--|\s*;", text, maxsplit=1)[0].strip()
    text = _NAMED.sub("", text)
    if text.startswith("file:"):
        text = unquote(text.removeprefix("file:").removeprefix("//localhost").split("#")[0])
        return text.removeprefix("//") if text.startswith("///") else text
    if "://" in text:
        return None
    text = _EXTRAS.sub("", text).strip()
    return text if plain or text.startswith(".") or "/" in text or _ARCHIVE.search(text) else None
