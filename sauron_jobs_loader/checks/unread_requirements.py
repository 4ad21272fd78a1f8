"""Declared packages that are not installed: Sauron reads `requirements.txt` beside the manifest alone."""

from __future__ import annotations

from sauron_jobs_loader import unread_requirements

from .remark import Remark
from .tree import BundleTree

_FILE = unread_requirements.REQUIREMENTS


def check(tree: BundleTree) -> list[Remark]:
    """Return the files that declare packages and are not read.

    Those at the top of the repository are told if the bundle in a folder of it does not load.
    """
    found = [
        Remark(one.file, None, f"this file {unread_requirements.described(one)}", one.cure)
        for one in unread_requirements.unread(tree.folder)
    ]
    below = tree.top != tree.folder and not (tree.folder / _FILE).is_file()
    if below and not tree.jobs and (tree.top / _FILE).is_file():
        text = f"there is none, and the {_FILE} at the repository's top is not read"
        found.append(Remark(_FILE, None, text, "put one beside manifest.py, with what the jobs need"))
    return found
