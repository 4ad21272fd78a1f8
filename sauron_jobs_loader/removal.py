"""Remove a folder of any depth, without recursion and without long paths.

Folders of folders are moved up to the top before they are emptied, so that nothing lies deeper than two
levels. `shutil.rmtree` calls itself for every level and fails at about a thousand.
"""

from __future__ import annotations

import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path


def remove_folder(folder: Path) -> bool:
    """Remove a folder with all that is in it; return whether it is gone. Links are removed, not followed."""
    if folder.is_symlink():
        with suppress(OSError):
            folder.unlink()
        return not os.path.lexists(folder)
    waiting = [folder]
    with suppress(OSError):
        _open_up(folder)
    while waiting:
        place = waiting.pop()
        for entry in _entries(place):
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)  # noqa: PTH108 - a hot loop
                    continue
                _open_up(Path(entry.path))
                near = Path(entry.path)
                if place != folder:
                    near = folder / uuid.uuid4().hex
                    os.rename(entry.path, near)  # noqa: PTH104
                waiting.append(near)
        if place != folder:
            with suppress(OSError):
                place.rmdir()
    with suppress(OSError):
        folder.rmdir()
    return not os.path.lexists(folder)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _open_up(folder: Path) -> None:
    """Give this user the rights to empty a folder that is its own."""
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
