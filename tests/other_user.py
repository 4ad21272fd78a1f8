"""What another user of the machine is told: needs root, who can become any user."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

CLONE_NEWNS = 0x20000


def as_user(uid: int, home: Path, act: Callable[[], str], *, programs: bool = False) -> str:
    """Return what an act says in a process of another user, who can start this Python if `programs`."""
    for folder in (home, *home.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if programs:
                _open_the_way(Path(sys.base_prefix))
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(writer, act().encode())
        except BaseException as error:  # noqa: BLE001 - the parent shows it
            os.write(writer, repr(error).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    if text.startswith("Skipped("):
        pytest.skip(text)
    return text


def _open_the_way(place: Path) -> None:
    """Let every user reach a place in a closed folder, such as a Python of root; for this process alone."""
    closed = next((folder for folder in reversed(place.parents) if not folder.stat().st_mode & 0o001), None)
    if closed is None:
        return
    stage = tempfile.mkdtemp()
    if ctypes.CDLL(None).unshare(CLONE_NEWNS):
        pytest.skip("no file systems of its own are allowed to a process here")
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "--bind", str(place), stage],
        ["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(closed)],
        ["mkdir", "-p", str(place)],
        ["mount", "--bind", stage, str(place)],
    ):
        subprocess.run(command, check=True, capture_output=True)
