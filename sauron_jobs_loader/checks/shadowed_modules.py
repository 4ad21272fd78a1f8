"""Modules at the top of a bundle that have the name of one of Python's own, or of Sauron's."""

from __future__ import annotations

import sys
from pathlib import Path

from .remark import Remark
from .tree import BundleTree

OWN = frozenset({"sauron_jobs_loader", "zerg"})
HARMLESS = frozenset({"test"})  # the tests of Python itself, which no program imports


def check(tree: BundleTree) -> list[Remark]:
    """Return a remark for each such module."""
    found = []
    for file in names(tree.folder):
        name = file.removesuffix(".py")
        theirs = "Sauron's" if name in OWN else "Python's own"
        text = f"the module {name!r} has the name of one of {theirs}: an import gets whichever came first"
        cure = f"rename it, such as {name}_jobs, or put it into a package of the bundle"
        found.append(Remark(file, None, text, cure))
    return found


def names(folder: Path) -> list[str]:
    """Return the files and folders of such modules."""
    taken = (sys.stdlib_module_names | OWN) - HARMLESS
    return [
        entry.name
        for entry in sorted(folder.iterdir())
        if entry.name.removesuffix(".py") in taken and _is_module(entry)
    ]


def _is_module(entry: Path) -> bool:
    return entry.suffix == ".py" or (entry.is_dir() and any(entry.glob("*.py")))
