"""Find the file that a command starts, and say why it cannot be started."""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH113, PTH114, PTH115, PTH116, PTH117, PTH118, PTH119, PTH120, PTH208

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping

from .binary import binary_fault
from .fault import Fault
from .script import interpreter, script_fault
from .search import found

HEAD_BYTES = 4096
_OWN_FOLDERS = ("", "bin", "scripts")  # where a bundle keeps its programs
_BINARY = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def cause(program: str, *, folder: str, path: str, modes: Mapping[str, bool] | None = None) -> Fault | None:
    """Return why `program`, started in `folder` with this PATH, does not run; None if its file shows nothing.

    `folder` is an absolute path, of the bundle or of where the command runs. `modes` says of files in it
    whether git keeps them as executable, where that is not what the file system says.
    """
    file = found(program, folder=folder, path=path)
    return _not_on_path(program, folder) if file is None else _of_file(file, folder, path, modes or {})


def _of_file(file: str, folder: str, path: str, modes: Mapping[str, bool]) -> Fault | None:
    try:
        state = os.stat(file)
    except OSError:
        return _missing(file, folder)
    if stat.S_ISDIR(state.st_mode):
        return Fault("is a folder", "name the program in it", file)
    head = read_head(file)
    shown = shown_path(file, folder)
    if not modes.get(shown, bool(state.st_mode & 0o111)):
        return not_executable(head, shown)._replace(file=file)
    if stat.S_ISREG(state.st_mode) and os.statvfs(file).f_flag & os.ST_NOEXEC:
        text = f"lies on a file system that allows no programs (mounted noexec: {os.path.dirname(file)})"
        return Fault(text, "mount it without noexec, or keep the program in another place", file)
    fault: Fault | None = None
    if head is not None and head.startswith(_BINARY):
        fault = binary_fault(head)
    elif head is not None:
        fault = script_fault(head, shown=shown, folder=folder, path=path)
    return fault and fault._replace(file=file)


def sentence(program: str, fault: Fault, folder: str) -> str:
    """Return a fault of `program` and its cure as two sentences."""
    subject = program if fault.file is None else shown_path(fault.file, folder)
    return f"{subject} {fault.text}. {fault.cure[0].upper()}{fault.cure[1:]}."


def read_head(file: str) -> bytes | None:
    """Return the first bytes of an ordinary file; None if it cannot be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        try:
            return stream.read(HEAD_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        except OSError:
            return None


def shown_path(file: str, folder: str) -> str:
    """Return a path relative to the bundle's folder if it is below it."""
    file, below = os.path.normpath(file), os.path.join(folder, "")
    return file.removeprefix(below)


def not_executable(head: bytes | None, shown: str) -> Fault:
    """Return the fault of a file without the mode of a program; `shown` is relative in a bundle."""
    runs = interpreter(head or b"", shown)
    instead = f", or write command=[{runs!r}, {shown!r}]" if runs else ""
    if os.path.isabs(shown):
        return Fault("is not executable", f"run `chmod +x {shown}`{instead}")
    return Fault("is not executable in git", f"run `git update-index --chmod=+x {shown}` and commit{instead}")


def _not_on_path(program: str, folder: str) -> Fault:
    for below in _OWN_FOLDERS:
        own = os.path.join(below, program) if below else f"./{program}"
        if os.path.isfile(os.path.join(folder, own)):
            return Fault("is a file of the bundle, and those are found by a path only", f"write {own!r}")
    return Fault(
        "is not a program on PATH",
        "install the program, or write its full path or a path in the bundle (./bin/...)",
    )


def _missing(file: str, folder: str) -> Fault:
    shown = shown_path(file, folder)
    if os.path.islink(file):
        text = f"is a link to {os.readlink(file)}, which does not exist"
        return Fault(text, "commit the file itself" if not os.path.isabs(shown) else "correct the link")
    parent = os.path.dirname(file)
    try:
        names = os.listdir(parent)
    except OSError:
        names = []
    name = os.path.basename(file)
    alike = [one for one in names if one.lower() == name.lower()]
    alike = alike or difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    outside = os.path.isabs(shown)
    text = "does not exist" if outside else "does not exist in the bundle"
    if alike:
        other = shown_path(os.path.join(parent, alike[0]), folder)
        return Fault(text, f"write {other!r}, which is there")
    if outside:
        return Fault(text, "install the program, or write where it is")
    return Fault(text, "commit it, or write its path from the top of the bundle")
