"""Commands of a bundle that cannot run: their file, its mode in git, its first line, and words of a shell.

Programs are looked for on this machine. Where the jobs run, another set may be installed; a sync looks there.
Limit: what a shell line (`sh -c`) starts is not looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sauron_jobs_loader.programs.cause import cause, read_head, shown_path
from sauron_jobs_loader.programs.fault import Fault
from sauron_jobs_loader.programs.script import SHELLS, windows_lines
from sauron_jobs_loader.programs.shell_words import in_arguments

from .remark import Remark
from .tree import BundleTree

_READERS = SHELLS | {
    "python",
    "python3",
    "perl",
    "ruby",
    "node",
    "php",
}  # they run the file that they are given
_WRAPPERS = frozenset({"env", "nohup", "nice", "ionice", "setsid", "timeout", "time", "stdbuf", "chronic"})
_OF_A_WRAPPER = re.compile(r"-.*|[A-Za-z_]\w*=.*|\d+(\.\d+)?[smhd]?")
_SCRIPT = re.compile(r".*\.(py|sh|bash|pl|rb|js|php)")


def check(tree: BundleTree) -> list[Remark]:
    """Return what keeps the commands of the bundle's jobs from running."""
    found: dict[tuple[str, str], Remark] = {}
    for job in tree.jobs:
        command = job.get("command")
        if not command:
            continue
        for remark in _of_command(tree, job, [str(word) for word in command]):
            found.setdefault((remark.file, remark.text if remark.line else remark.cure), remark)
    return list(found.values())


def _of_command(tree: BundleTree, job: Mapping[str, Any], command: Sequence[str]) -> Iterator[Remark]:
    file, _, line = str(job.get("place") or "").rpartition(":")
    number = int(line) if line.isdecimal() else None
    of_job = f"the command of {job.get('id')}"

    def remark(program: str, fault: Fault) -> Remark:
        name = None if fault.file is None else shown_path(fault.file, str(tree.folder))
        if name is not None and not os.path.isabs(name) and os.path.lexists(tree.folder / name):  # noqa: PTH117
            return Remark(name, None, f"this file {fault.text}, and {of_job} needs it", fault.cure)
        return Remark(file or "manifest.py", number, f"{of_job}: {program} {fault.text}", fault.cure)

    path = tree.path or os.environ.get("PATH", os.defpath)
    for place in _started(command):
        program = command[place]
        fault = cause(program, folder=str(tree.folder), path=path, modes=tree.executables)
        if fault is None and (script := _script(command[place:])):
            program, fault = script, _script_fault(tree, script, command[place])
        if fault is not None:
            yield remark(program, fault)
            break
    for told in in_arguments(command):
        text = f"{of_job}: {told.word!r} {told.what}, and a command has none"
        yield Remark(file or "manifest.py", number, text, f"write command={told.instead!r}")
        break


def _started(command: Sequence[str]) -> Iterator[int]:
    """Yield the places of the programs of a command: its first word, and what `env` or `nice` starts."""
    yield 0
    wrapped = _name(command[0]) in _WRAPPERS
    for place, word in enumerate(command[1:], 1):
        if not wrapped:
            return
        if not _OF_A_WRAPPER.fullmatch(word):
            yield place
            wrapped = _name(word) in _WRAPPERS


def _script(command: Sequence[str]) -> str | None:
    """Return the file that an interpreter is given: its first argument that is not an option."""
    name = _name(command[0])
    if name not in _READERS and not re.fullmatch(r"python3?\.\d+", name):
        return None
    for word in command[1:]:
        if word in {"-c", "-m", "-e", "-s", "-"}:
            return None
        if not word.startswith(("-", "+")):
            return word if "/" in word or _SCRIPT.fullmatch(word) else None
    return None


def _script_fault(tree: BundleTree, script: str, reader: str) -> Fault | None:
    """Return what is wrong with a file that its interpreter opens: it needs no mode and no first line."""
    path = tree.folder / script
    if not path.is_file():
        return cause(script if "/" in script else f"./{script}", folder=str(tree.folder), path="")
    shown = shown_path(str(path), str(tree.folder))
    fault = windows_lines(read_head(str(path)) or b"", shown) if _name(reader) in SHELLS else None
    return fault and fault._replace(file=str(path))


def _name(word: str) -> str:
    return word.rpartition("/")[2]
