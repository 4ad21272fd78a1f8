"""All checks of a bundle, and the way to ask them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import (
    at_loading,
    commands,
    shadowed_modules,
    stored_elsewhere,
    submodules,
    unread_requirements,
)
from .remark import Remark
from .tree import BundleTree

MOST = 20  # remarks of one check

CHECKS: tuple[Callable[[BundleTree], Sequence[Remark]], ...] = (
    submodules.check,
    stored_elsewhere.check,
    commands.check,
    unread_requirements.check,
    shadowed_modules.check,
    at_loading.check,
)


def remarks(tree: BundleTree) -> list[Remark]:
    """Return what all checks say. Of the remarks of one check the first are shown, and how many more."""
    found: list[Remark] = []
    for check in CHECKS:
        said = check(tree)
        found += said[:MOST]
        if len(said) > MOST:
            last = said[MOST - 1]
            found.append(Remark(last.file, None, f"{len(said) - MOST} more are like this one", last.cure))
    return found
