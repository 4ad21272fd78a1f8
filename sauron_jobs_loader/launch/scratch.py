"""The TMPDIR of one attempt: a folder that is deleted with all that is in it when the attempt is over."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def place(environ: Mapping[str, str], nonce: str) -> str:
    """Return where an attempt with this environment gets its folder. The job's process makes it."""
    folder = environ.get("TMPDIR") or tempfile.gettempdir()
    return os.path.join(os.getcwd(), folder, f"sauron-{nonce}")  # noqa: PTH109, PTH118 - pathlib takes longer


def delete(folder: str) -> None:
    """Delete the folder, also where a job took its own right to do so away. It may not exist."""
    with suppress(OSError):
        os.rmdir(folder)  # noqa: PTH106 - after every attempt, and mostly empty
        return
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.isdir(folder):  # noqa: PTH112 - as above
        for below, folders, _files in os.walk(folder):
            for name in (".", *folders):
                with suppress(OSError):
                    (Path(below) / name).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
