"""The command line as it can be typed here: `sauron`, or its path where it is not on PATH."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def typed_command(
    *, interpreter: Path | None = None, folder: Path | None = None, path: str | None = None
) -> str:
    """Return what starts this installation's `sauron` in a shell whose working folder is `folder`.

    By default the interpreter, folder and PATH of this process are gone by.
    """
    here = (interpreter or Path(sys.executable)).absolute().with_name("sauron")
    found = shutil.which("sauron", path=path)
    if not here.is_file() or (found and Path(found).absolute() == here):
        return "sauron"
    folder = folder or Path.cwd()
    return shlex.quote(str(here.relative_to(folder) if here.is_relative_to(folder) else here))
