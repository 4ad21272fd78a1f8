"""The folder of a bundle inside its repository: the repository's top, or the folder that is configured.

A folder without a manifest is refused with the manifests that are there, and with the setting to write.
"""

from __future__ import annotations

import os
from pathlib import Path

from .errors import BootError

MANIFEST = "manifest.py"
DEEPEST = 4  # folders below the top that are looked into for a manifest
MOST_FOLDERS = 5000
SHOWN = 3


def bundle_folder(top: Path, subdir: str | None) -> Path:
    """Return the folder of the bundle in the repository at `top`. Raises BootError if it has no manifest."""
    folder = top / subdir if subdir else top
    if (folder / MANIFEST).is_file():
        return folder
    where = f"in {subdir} (JOBS_GIT_SUBDIR)" if subdir else "at its top"
    if subdir and not folder.is_dir():
        where = f"in {subdir} (JOBS_GIT_SUBDIR): there is no such folder"
    if found := manifests(top):
        named = ", ".join(f"{one}/{MANIFEST}" if one else MANIFEST for one in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        first = f"set JOBS_GIT_SUBDIR={found[0]}" if found[0] else "unset JOBS_GIT_SUBDIR"
        raise BootError(f"The bundle has no {MANIFEST} {where}. There is {named}{more}: {first}.")
    raise BootError(f"The bundle has no {MANIFEST} {where}. {_cure(folder)}")


def _cure(folder: Path) -> str:
    """Say what to do where no manifest is found, by what stands in its place."""
    place = folder / MANIFEST
    if place.is_symlink():
        return "What has that name is a link that leads to no file: commit the file itself."
    if place.is_dir():
        return f"What has that name is a folder: write the jobs into a file {MANIFEST}."
    if place.exists():
        return f"What has that name is a pipe or a device: write the jobs into a file {MANIFEST}."
    alike = [name for name in _names(folder) if name.lower() == MANIFEST]
    if alike:
        return f"There is {alike[0]}: rename it to {MANIFEST}."
    return "Add one that registers the jobs (`sauron init` writes an example)."


def _names(folder: Path) -> list[str]:
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return []


def manifests(top: Path) -> list[str]:
    """Return the folders below `top` that hold a manifest, the nearest first. Links are not followed."""
    found: list[str] = []
    level, seen = [""], 0
    for _ in range(DEEPEST + 1):
        below: list[str] = []
        for folder in level:
            seen += 1
            if seen > MOST_FOLDERS:
                return found
            try:
                entries = sorted(os.scandir(top / folder), key=lambda entry: entry.name)
            except OSError:
                continue
            if MANIFEST in {entry.name for entry in entries} and (top / folder / MANIFEST).is_file():
                found.append(folder)
            below += [
                f"{folder}/{entry.name}" if folder else entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith((".", "node_modules"))
            ]
        level = below
    return found
