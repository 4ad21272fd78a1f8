"""Whether the lines of a crontab name a user between schedule and command, as those of the system do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from sauron_jobs_loader.programs.shell_words import BUILTINS, KEYWORDS

_COLUMN = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)[ \t]+(\S.*)", re.DOTALL)
NEVER_PROGRAMS = frozenset({"root", "www-data", "nobody"})  # names of users, and of nothing else
_OF_THE_SYSTEM = (Path("/etc/crontab"), Path("/etc/cron.d"))


def is_user(name: str) -> bool:
    """Return whether a word is the name of a user and of no program, as far as this machine knows."""
    import pwd

    if name in NEVER_PROGRAMS:
        return True
    if name in BUILTINS or name in KEYWORDS or shutil.which(name):
        return False
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        return False
    return True


def split(text: str) -> tuple[str, str] | None:
    """Return the user column and the command of what stands behind a schedule; None if there is none."""
    found = _COLUMN.fullmatch(text)
    return (found[1], found[2]) if found else None


def in_use(file: Path | None, rests: Sequence[str], *, known: Callable[[str], bool] = is_user) -> bool:
    """Return whether the lines of a file have the column; `rests` are what stands behind their schedules.

    They do in the system's own files, and where every line could have it, none begins with a word of the
    shell, and at least one names a user for certain.
    """
    if file is not None and any(place == file or place in file.parents for place in _OF_THE_SYSTEM):
        return True
    columns = [split(rest) for rest in rests]
    names = {column[0] for column in columns if column}
    return (
        bool(names)
        and all(columns)
        and not names & (BUILTINS | KEYWORDS)
        and not any(shutil.which(name) for name in names if not known(name))
        and any(known(name) for name in names)
    )
