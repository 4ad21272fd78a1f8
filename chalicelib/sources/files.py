"""Files that settings come from: `.env`, and the files of secrets that NAME_FILE names.

Both are UTF-8, with or without a byte order mark. A file that is there and cannot be used is a fault, never
an empty value: a token that was meant must not leave the API open. A fault names the file, the line and the
cure, and shows nothing of the content, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sauron_jobs_loader.named_file import PATIENCE, content_of

if TYPE_CHECKING:
    from dotenv.parser import Binding

_MARKS = (b"\xff\xfe", b"\xfe\xff")  # the byte order marks of UTF-16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}")
# in a value of several lines: a setting that a quote before it took in. Base64, which ends in =, has no _
_SWALLOWED = re.compile(r"[\r\n][ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9]*_[A-Z0-9_]*)[ \t]*=")
_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a file of variables holds. An empty value is left out, because empty means unset."""

    path: Path
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def text_of(path: str | Path, *, patience: float = PATIENCE) -> str:
    """Return a file's text without a byte order mark. Raises ValueError with the reason and the cure.

    A pipe into which nobody writes is given up after `patience` seconds.
    """
    try:
        raw = content_of(path, patience=patience)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}); name a readable file of text") from None
    except ValueError:
        raise ValueError("cannot be read (a path holds no NUL); name a readable file") from None
    if raw.startswith(_MARKS) or b"\0" in raw:
        raise ValueError("cannot be read (it is UTF-16 or no text); save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(_NEWLINE.findall(raw[: error.start].decode("latin-1"))) + 1
        raise ValueError(f"cannot be read (it is not UTF-8 in line {line}); save it as UTF-8") from None


def secret(name: str, path: str, *, patience: float = PATIENCE) -> str:
    """Return the secret in the file that NAME_FILE names. Raises ValueError, also for an empty file."""
    try:
        text = text_of(path, patience=patience).strip()
    except ValueError as error:
        raise ValueError(f"{name}_FILE={path!r} {error}") from None
    if not text:
        raise ValueError(f"{name}_FILE={path!r} holds nothing; write the value into it, or unset {name}_FILE")
    return text


def env_file(path: Path, *, patience: float = PATIENCE) -> EnvFile:
    """Read a file of NAME=value lines. No file, or a folder of that name, holds no variables."""
    if path.is_dir():  # `python -m venv .env` makes one
        return EnvFile(path)
    try:
        text = text_of(path, patience=patience)
    except ValueError as error:
        there = path.is_symlink() or path.exists()
        return EnvFile(path, faults=(f"{path} {error}",)) if there else EnvFile(path)
    return _parsed(path, text)


def _parsed(path: Path, text: str) -> EnvFile:
    import io

    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    faults, warnings = [], []
    for binding in parse_stream(io.StringIO(text, newline="")):
        line = _line(binding)
        if reason := _fault(binding, lines):
            faults.append(f"{path}, line {line}: {reason}")
        elif binding.key and binding.value:
            if values.get(binding.key, binding.value) != binding.value:
                warnings.append(
                    f"{path}, line {line}: {binding.key} is also in line {lines[binding.key]}, "
                    "which is not used; remove one of them"
                )
            values[binding.key] = binding.value
            lines[binding.key] = line
        elif binding.key:
            lines.setdefault(binding.key, line)
    for name, value in values.items():
        warnings += [
            f"{path}, line {lines[name]}: {name} holds {found[0]}, which is taken as it is written; "
            "write the value itself"
            for found in _REFERENCE.finditer(value)
            if found[1] in values
        ]
    return EnvFile(path, values, tuple(faults), tuple(warnings))


def _line(binding: Binding) -> int:
    """Return the line on which a statement starts: the parser counts the blank lines before it to it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(_NEWLINE.findall(blank))


def _fault(binding: Binding, known: Mapping[str, int]) -> str | None:
    """Return what is wrong with a statement and what to write instead, None if nothing is."""
    statement = binding.original.string.strip()
    if binding.error:
        quoted = re.search(r"=\s*[\"']", statement)
        return (
            'the quotes do not fit; write NAME=value, or NAME="value" with a quote at both ends alone'
            if quoted
            else "this is not a setting; write NAME=value, or # before a remark"
        )
    if binding.key is None:
        return None
    if not _NAME.fullmatch(binding.key):
        return "the name before the = is not valid; write NAME=value, with letters, digits and _ in the name"
    if swallowed := _SWALLOWED.search(binding.value or ""):
        return (
            f"the quote that begins here ends only behind {swallowed[1]}=, which is not read; write "
            'NAME="value" with both quotes on one line'
        )
    exported = statement.startswith("export") and binding.key in known
    if binding.value is None and not exported:
        return "there is no =; write NAME=value, or NAME= to leave it unset"
    return None
