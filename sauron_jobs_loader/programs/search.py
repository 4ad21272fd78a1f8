"""Which file the system takes for the name of a program."""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH113, PTH118

from __future__ import annotations

import os


def found(program: str, *, folder: str, path: str) -> str | None:
    """Return the file that the system takes for `program`; None if there is none on PATH."""
    if "/" in program:
        return os.path.join(folder, program)
    second: str | None = None
    for place in path.split(os.pathsep):
        file = os.path.join(folder, place, program)
        if os.path.isfile(file):
            if os.access(file, os.X_OK):
                return file
            second = second or file
    return second


def which(program: str, *, folder: str, path: str) -> str | None:
    """Return the file of a program that can be started; None without one."""
    file = found(program, folder=folder, path=path)
    return file if file is not None and os.path.isfile(file) and os.access(file, os.X_OK) else None
