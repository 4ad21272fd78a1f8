"""Run a bundle's `manifest.py` in this process, once, and return what it defines.

A manifest that cannot be executed raises BootError with the file and line of the fault that are the bundle's
own. The revision's folder is not written to (no bytecode is left in it). Limit: a process loads one bundle in
its life; another revision is another process.
"""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH100, PTH113, PTH112, PTH118, PTH120, PTH208

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.registry import job_registry, shown_place

from . import job_logging

MANIFEST = "manifest.py"
COMPAT_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat")


@dataclass(frozen=True, slots=True)
class HeldRevision:
    """Which revision this process holds, and since when."""

    sha: str
    at: datetime


_loaded: list[HeldRevision] = []


def loaded() -> HeldRevision | None:
    """Return the revision this process holds; None outside bundle processes."""
    return _loaded[0] if _loaded else None


def load(folder: str, sha: str) -> None:
    """Run the manifest of the bundle in `folder`, the first place to import from. Raises BootError."""
    path = os.path.join(folder, MANIFEST)
    if not os.path.isfile(path):
        raise BootError(
            f"The bundle has no {MANIFEST} at its top."
            " Add one that registers the jobs (`sauron init` writes an example)."
        )
    sys.dont_write_bytecode = True
    sys.path[:0] = [folder, COMPAT_FOLDER]
    sys.argv = [MANIFEST]
    job_logging.give_way()
    _loaded[:] = [HeldRevision(sha, datetime.now(UTC))]
    try:
        importlib.import_module("manifest")
    except SystemExit as error:
        raise BootError(_exited(error, folder)) from error
    except BaseException as error:
        traceback.print_exception(type(error), error, _in_bundle(error.__traceback__, folder))
        raise BootError(_fault(error, folder)) from error


def definitions() -> dict[str, Any]:
    """Return the jobs this process has loaded and those left out, as JSON data."""
    jobs = []
    for config in job_registry.list_jobs():
        try:
            jobs.append(config.record())
        except Exception as error:  # noqa: BLE001 - a definition's values are the bundle's code
            job_registry.reject(
                config.id, config.place, f"its definition cannot be recorded: {type(error).__name__}: {error}"
            )
    return {
        "jobs": jobs,
        "rejected": [list(rejected) for rejected in job_registry.rejected],
        "remarks": [remark for config in job_registry.list_jobs() for remark in config.remarks()],
    }


def files(folder: str) -> list[str]:
    """Return the files of the bundle that this process has loaded, relative to its folder."""
    below = os.path.join(folder, "")
    named = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return sorted(
        file.removeprefix(below) for file in named if isinstance(file, str) and file.startswith(below)
    )


def prepare(folder: str) -> None:
    """Do once what every attempt would do: set up logging unless the bundle did, import what jobs need.

    Raises BootError if a module of the bundle stands in the way of one of Python's own.
    """
    job_logging.begin()
    if any(inspect.iscoroutinefunction(config.func) for config in job_registry.list_jobs()):
        try:
            importlib.import_module("asyncio")
        except BaseException as error:
            raise BootError(_fault(error, folder)) from error


def _exited(error: SystemExit, folder: str) -> str:
    place = _place(error, folder)
    return (
        f"{place}: the manifest called sys.exit({error.code!r}) while loading."
        " Remove it: a manifest only registers jobs."
    )


def _fault(error: BaseException, folder: str) -> str:
    words = f"{_place(error, folder)}: {type(error).__name__}: {_message(error)}"
    if isinstance(error, ImportError | AttributeError):
        words += _names_taken(folder)
    if isinstance(error, ModuleNotFoundError):
        words += _missing_module(error.name or "", folder)
    return words


def _missing_module(name: str, folder: str) -> str:
    """Return what may be the reason: a folder of that name without files is a submodule."""
    place = folder
    for part in name.split("."):
        place = os.path.join(place, part)
        if not os.path.isdir(place):
            break
        if not os.listdir(place):
            shown = os.path.relpath(place, folder)
            return (
                f" (the folder {shown} is empty: if it is a git submodule, its files are not fetched;"
                " copy them into this repository, or name a package in requirements.txt)"
            )
    asked = " (is the file committed, and is the package named in the bundle's requirements.txt?)"
    return asked + _unread(name, folder)


def _unread(name: str, folder: str) -> str:
    """Return a sentence about a file that declares packages and is not read; the one with `name` first."""
    from pathlib import Path

    from sauron_jobs_loader import unread_requirements

    try:
        found = unread_requirements.unread(Path(folder))
    except OSError:
        return ""
    found.sort(key=lambda one: name.partition(".")[0].lower() not in one.names)
    return "".join(f" {one.file} {unread_requirements.described(one)}; {one.cure}." for one in found[:1])


def _names_taken(folder: str) -> str:
    """Return a sentence about modules of the bundle that stand in for Python's own; empty without any."""
    from pathlib import Path

    from sauron_jobs_loader.checks import shadowed_modules

    taken = shadowed_modules.names(Path(folder))
    if not taken:
        return ""
    return f" (the bundle's {', '.join(taken)} may be imported in place of a module of Python: rename it)"


def _message(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        nul = "null bytes" in str(error.msg)
        return "the file holds NUL bytes, as UTF-16 does; save it as UTF-8" if nul else str(error.msg)
    try:
        return str(error)[:2000]
    except Exception:  # noqa: BLE001 - the message of an exception may be the bundle's code
        return "(its message cannot be shown)"


def _in_bundle(trace: TracebackType | None, folder: str) -> TracebackType | None:
    """Skip the frames before the bundle's first: the loader's and the import machinery's."""
    while trace and not trace.tb_frame.f_code.co_filename.startswith(os.path.join(folder, "")):
        trace = trace.tb_next
    return trace


def _place(error: BaseException, folder: str) -> str:
    """Find the last frame in the bundle; for a syntax error, the line that cannot be parsed."""
    if isinstance(error, SyntaxError) and error.filename:
        return shown_place(error.filename.removeprefix(os.path.join(folder, "")), error.lineno or 0)
    below = os.path.join(folder, "")
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(below)
    ]
    if not frames:
        return MANIFEST
    return f"{frames[-1].filename.removeprefix(below)}:{frames[-1].lineno}"


def metadata(job_id: str) -> dict[str, str] | None:
    """Return where its code is from: `script_source`, `git_sha`, `loaded_at`; None if it is not loaded."""
    held = loaded()
    if held is None or job_registry.get(job_id) is None:
        return None
    return {"script_source": "git", "git_sha": held.sha, "loaded_at": held.at.isoformat()}
