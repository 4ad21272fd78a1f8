"""Folders of a bundle that are other repositories: git does not give their files with a commit."""

from __future__ import annotations

import re

from .remark import Remark
from .tree import BundleTree

_PATH = re.compile(r'\s*path\s*=\s*"?(?P<path>.*?)"?\s*\Z')
_CURE = "copy its files into this repository, or install them as a package from requirements.txt"


def check(tree: BundleTree) -> list[Remark]:
    """Return the submodules of a bundle, whether `.gitmodules` names them or not."""
    named = {}
    for number, line in tree.lines(".gitmodules"):
        if (match := _PATH.match(line)) and (folder := tree.in_bundle(match["path"])) not in {None, "."}:
            named[str(folder)] = number
    unnamed = {*tree.repositories, *(tree.empty_folders if tree.committed else ())} - named.keys()
    text = "this folder is a git submodule, its files are not fetched"
    if tree.committed:  # .gitmodules may name what is not in the commit
        named = {folder: line for folder, line in named.items() if folder in tree.empty_folders}
    return [
        *(
            Remark(folder, None, f"{text} (.gitmodules, line {line})", _CURE)
            for folder, line in named.items()
        ),
        *(Remark(folder, None, text, _CURE) for folder in sorted(unnamed)),
    ]
