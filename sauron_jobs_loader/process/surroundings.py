"""The variables that tell a program where it is: made true of a bundle before its code runs.

A revision lies below the folder of whoever started Sauron, often below a repository of theirs, and it has no
`.git` of its own. git, which looks for one in every folder above, stops at the bundle's folder, and at each
one between it and JOBS_DIR when it is started there: a bundle may be a folder of its repository. Limit: that
is git's own rule; other programs that search upwards for their settings do not know it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from typing import Any

CEILING = "GIT_CEILING_DIRECTORIES"
REVISIONS = "revisions"  # the folder in JOBS_DIR that holds the checkouts
SHA_LENGTH = 40  # letters of the name of a checkout
ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "OLDPWD",
)
"""What a shell or a git hook that started Sauron says of its own folder and repository."""


_TEMPORARY = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108 - where Python looks


def use_scratch(environ: MutableMapping[str, str], folder: str) -> None:
    """Make the temporary folder of an attempt and have it used. One that cannot be made changes nothing."""
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102 - as below
    except OSError:
        return
    before, environ["TMPDIR"] = environ.get("TMPDIR"), folder
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None and tempfile.tempdir in {before, *_TEMPORARY}:  # it looked before the fork
        tempfile.tempdir = None


def import_from(environ: MutableMapping[str, str], folder: str) -> None:
    """Let the Python programs of a job import the bundle's modules first, as its functions do."""
    given = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = f"{folder}{os.pathsep}{given}" if given else folder


def settle(environ: MutableMapping[str, str], folder: str) -> None:
    """Make an inherited environment true of a process that runs the bundle in `folder`, an absolute path.

    `PYTHONUNBUFFERED` is for the children: what a Python program prints reaches the log before it ends, also
    when it is killed. A value that is given stays, also the empty one, which turns that off.
    """
    for name in ELSEWHERE:
        environ.pop(name, None)
    environ["PWD"] = folder
    environ.setdefault("PYTHONUNBUFFERED", "1")
    given = [place for place in environ.get(CEILING, "").split(os.pathsep) if place]
    environ[CEILING] = os.pathsep.join([*(one for one in _ceilings(folder) if one not in given), *given])


def _ceilings(folder: str) -> list[str]:
    """Return the folders around a bundle's, up to JOBS_DIR: git reads none of them, nor what lies above."""
    found, place = [], folder
    while (above := os.path.dirname(place)) != place:  # noqa: PTH120 - no pathlib in the fork
        found.append(above)
        name = place[len(above) :].strip("/")
        if above.endswith(f"/{REVISIONS}") and len(name) == SHA_LENGTH:
            return [*found, os.path.dirname(above)]  # noqa: PTH120 - as above
        place = above
    return found[:1]
