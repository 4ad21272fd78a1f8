"""What the first line of a script can have wrong: the system reads it, and takes it to the byte."""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH110, PTH113, PTH118, PTH119, PTH122

from __future__ import annotations

import os
import re
import shlex

from .fault import Fault
from .search import which

LONGEST_LINE = 255  # bytes, as execve(2) says of Linux
SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "mksh"})
_BY_ENDING = {
    ".py": "python",
    ".sh": "sh",
    ".bash": "bash",
    ".pl": "perl",
    ".rb": "ruby",
    ".js": "node",
    ".php": "php",
}
_UNIX_LINES = (
    "save it with Unix line ends; the line `{} text eol=lf` in .gitattributes and"
    " `git add --renormalize .` keep them"
)
_BEGIN = "write `#!/usr/bin/env {}` as its first line"
_NO_MARK = "save it as UTF-8 without a byte order mark (BOM)"
_BEGINNINGS = (
    (
        b"version https://git-lfs",
        "is a Git LFS pointer, its content is not fetched",
        "commit the file itself",
    ),
    (b"\xef\xbb\xbf", "begins with a byte order mark, so its first line is not seen", _NO_MARK),
    (b"\xff\xfe", "is saved as UTF-16", _NO_MARK),
    (b"\xfe\xff", "is saved as UTF-16", _NO_MARK),
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def first_line(head: bytes) -> str | None:
    """Return what follows `#!` on the first line, with a carriage return at its end; None without a `#!`."""
    if not head.startswith(b"#!"):
        return None
    return head[2:].split(b"\n", 1)[0].decode("utf-8", "replace")


def interpreter(head: bytes, name: str) -> str | None:
    """Return the name of the program that runs a script, from its first line, else from its file's name."""
    words = (first_line(head.removeprefix(b"\xef\xbb\xbf").lstrip()) or "").split()
    while words and (os.path.basename(words[0]) == "env" or words[0].startswith("-")):
        words.pop(0)
    if words:
        return os.path.basename(words[0])
    return _BY_ENDING.get(os.path.splitext(name)[1].lower())


def windows_lines(head: bytes, shown: str) -> Fault | None:
    """Return a fault if the lines of a shell script end as on Windows."""
    if b"\r\n" not in head:
        return None
    return Fault("has Windows line ends", _UNIX_LINES.format(shown))


def script_fault(head: bytes, *, shown: str, folder: str, path: str) -> Fault | None:
    """Return what is wrong with the beginning of a text file that is to be started in `folder`.

    `shown` is its path as the command names it, `path` the PATH that `env` searches.
    """
    line = first_line(head)
    if line is None:
        return _without_first_line(head, shown)
    if line.endswith("\r"):
        started = re.search(r"\S[ \t]", line) is not None  # the carriage return is in an argument
        return Fault("has Windows line ends", _UNIX_LINES.format(shown), begins=started)
    if len(line.encode()) + 2 > LONGEST_LINE:
        return Fault(
            f"has a first line of more than {LONGEST_LINE} bytes, and the system cuts it", "shorten that line"
        )
    asked, _, rest = line.strip().replace("\t", " ").partition(" ")
    if not asked:
        return Fault(
            "has a first line that names no program", _BEGIN.format(interpreter(b"", shown) or "bash")
        )
    if fault := _interpreter_fault(asked, folder, path):
        return fault
    return _env_fault(rest.strip(), folder, path) if os.path.basename(asked) == "env" else None


def _without_first_line(head: bytes, shown: str) -> Fault:
    if not head.strip():
        return Fault("is empty", "commit its content")
    for beginning, text, cure in _BEGINNINGS:
        if head.startswith(beginning):
            return Fault(text, cure)
    if head.lstrip().startswith(b"#!"):
        return Fault("has its `#!` line not at the very beginning", "remove what is before `#!`")
    if b"\0" in head:
        return Fault("is not a program that this system knows", "name the program that reads it first")
    runs = interpreter(head, shown) or "bash"
    return Fault(
        "has no `#!` line, so nothing says which program runs it",
        f"{_BEGIN.format(runs)}, or command=[{runs!r}, {shown!r}]",
    )


def _interpreter_fault(asked: str, folder: str, path: str) -> Fault | None:
    place = os.path.join(folder, asked)
    name = os.path.basename(asked)
    if os.path.isfile(place) and os.access(place, os.X_OK):
        return None
    what = "is not a program" if os.path.exists(place) else "is not installed"
    if name and (here := which(name, folder=folder, path=path)):
        cure = f"write `#!/usr/bin/env {name}`: it is {here} here"
    elif name in SHELLS and which("sh", folder=folder, path=path):
        cure = f"install {name}, or write `#!/bin/sh` if the script needs nothing of {name}"
    else:
        cure = f"install {name or asked}, or write a program that is here"
    return Fault(f"asks for {asked}, which {what}", cure)


def _env_fault(rest: str, folder: str, path: str) -> Fault | None:
    """Return what is wrong with what `env` is given, which the system passes to it as one word."""
    if not rest:
        return Fault("asks for `env` and names no program after it", _BEGIN.format("bash"), begins=True)
    if " " in rest and not rest.startswith("-"):
        text = f"asks `env` for a program named {rest!r}, because the system passes that as one word"
        return Fault(text, f"write `#!/usr/bin/env -S {rest}`", begins=True)
    wanted = _split(rest) if rest.startswith("-") else rest
    if wanted is None or "$" in wanted or _ASSIGNMENT.match(wanted):
        return None
    if which(wanted, folder=folder, path=path):
        return None
    text = f"asks for {wanted}, which is not installed"
    return Fault(text, f"install {wanted}, or write a program that is here", begins=True)


def _split(options: str) -> str | None:
    """Return the program that `env -S` starts; None if the options leave that open."""
    split = re.match(r"(?:-S\s*|--split-string[ =])(?P<line>.*)", options)
    try:
        words = shlex.split(split["line"]) if split else []
    except ValueError:
        return None
    while words and _ASSIGNMENT.match(words[0]):
        if words.pop(0).startswith("PATH="):
            return None
    return words[0] if words and not words[0].startswith("-") else None
