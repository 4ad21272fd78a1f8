"""Files whose content git does not give: pointers to a large file store, encrypted files, filtered files.

Sauron runs no filter program and asks no store of large files, so a job finds the pointer or the ciphertext.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from .remark import Remark
from .tree import BundleTree

_LFS = re.compile(rb"version https://(git-lfs\.github\.com|hawser\.github\.com)/spec/v\d\n")
_ANNEX = re.compile(rb"(\.\./)*(\.git/annex/objects/|/?annex/objects/)\S")
_ENCRYPTED = (
    (b"\0GITCRYPT\0", "git-crypt"),
    (b"U2FsdGVkX1", "transcrypt or openssl"),  # "Salted__" in base64, as OpenSSL writes it
)
_FILTER = re.compile(r"(?P<pattern>\S+)\s.*?\bfilter=(?P<name>[^\s#]+)")
_KEPT = {  # filters whose files are recognised by their content, once they are committed
    "lfs": "is kept in Git LFS, its content is not fetched",
    "annex": "is kept in git-annex, its content is not fetched",
    "git-crypt": "is encrypted by git-crypt in the repository, and is not decrypted",
    "crypt": "is encrypted by transcrypt in the repository, and is not decrypted",
}
_IN_THE_REPOSITORY = "commit the file itself, or fetch it from where it is kept when the job runs"

_AS_SECRETS = "declare what it holds as secrets of the jobs, and set them where Sauron runs"
_ATTRIBUTES = ".gitattributes"


def check(tree: BundleTree) -> list[Remark]:
    """Return the files of a bundle that do not hold what their names promise.

    In an author's working copy they do, so there `.gitattributes` tells.
    """
    found = {name: remark for name in tree.names if (remark := _of_file(tree, name))}
    general: list[Remark] = []
    for file, number, pattern, kind in _filters(tree):
        place = f"{file}, line {number}"
        if kind not in _KEPT:
            text = f"the filter {kind!r} of {pattern} is not run, files are as git stores them"
            general.append(Remark(file, number, text, "make sure that jobs can use them in that form"))
        elif not tree.committed:
            for name in _matching(tree, file, pattern):
                cure = _AS_SECRETS if "encrypted" in _KEPT[kind] else _IN_THE_REPOSITORY
                found.setdefault(name, Remark(name, None, f"this file {_KEPT[kind]} ({place})", cure))
    return [found[name] for name in sorted(found)] + general


def _of_file(tree: BundleTree, name: str) -> Remark | None:
    if (tree.folder / name).is_symlink():
        try:
            target = os.fsencode(os.readlink(tree.folder / name))  # noqa: PTH115 - bytes are looked at
        except OSError:
            return None
        return _annexed(name) if _ANNEX.match(target) else None
    head = tree.head(name)
    if _LFS.match(head):
        return Remark(
            name,
            None,
            "this file is a Git LFS pointer, its content is not fetched",
            f"{_IN_THE_REPOSITORY} (`git lfs untrack` keeps it out of LFS)",
        )
    if _ANNEX.match(head):
        return _annexed(name)
    for beginning, program in _ENCRYPTED:
        if head.startswith(beginning):
            return Remark(
                name,
                None,
                f"this file is encrypted by {program}, and is not decrypted",
                _AS_SECRETS,
            )
    return None


def _annexed(name: str) -> Remark:
    text = "this file is a git-annex pointer, its content is not fetched"
    return Remark(name, None, text, f"{_IN_THE_REPOSITORY} (`git annex unannex` puts it back)")


def _filters(tree: BundleTree) -> Iterator[tuple[str, int, str, str]]:
    """Yield file, line, pattern and name of each filter that a `.gitattributes` of the repository names."""
    below = {str((tree.folder / name).relative_to(tree.top)) for name in tree.names if _is_attributes(name)}
    for file in sorted(below | {_ATTRIBUTES}):
        for number, line in tree.lines(file):
            match = None if line.lstrip().startswith("#") else _FILTER.match(line.strip())
            if match:
                yield file, number, match["pattern"], match["name"]


def _is_attributes(name: str) -> bool:
    return name.rpartition("/")[2] == _ATTRIBUTES


def _matching(tree: BundleTree, file: str, pattern: str) -> Iterator[str]:
    """Yield the files of the bundle that a pattern in the attributes file `file` stands for."""
    base = (tree.top / file).parent
    for name in tree.names:
        place = tree.folder / name
        if not place.is_relative_to(base):
            continue
        text = str(place.relative_to(base)) if "/" in pattern else place.name
        if fnmatchcase(text, pattern.lstrip("/").replace("**/", "*")) and not _is_attributes(name):
            yield name
