"""The command lines of the two installers: uv if it is on PATH, else pip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from .requirements import REQUIREMENTS

_UV = ("--compile-bytecode", "--no-progress")
_PIP = ("--disable-pip-version-check", "--no-input", "--progress-bar=off")


def commands(home: Path, environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the command that makes the virtual environment `home`, and the one that installs into it."""
    python = str(home / "bin" / "python")
    if uv := shutil.which("uv", path=environ.get("PATH", os.defpath)):
        make = [uv, "venv", "--no-project", "--python", sys.executable, str(home)]
        return make, [uv, "pip", "install", *_UV, "--python", python, "-r", REQUIREMENTS]
    ours = importlib.util.find_spec("pip") is not None
    make = [sys.executable, "-m", "venv", *(["--without-pip"] if ours else []), str(home)]
    pip = [sys.executable, "-m", "pip", "--python", python] if ours else [python, "-m", "pip"]
    return make, [*pip, "install", *_PIP, "-r", REQUIREMENTS]
