"""Look whether a remote holds a folder, without a mirror: its newest commit alone is fetched for that."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence

from .command import GitResult

Run = Callable[[Sequence[str], dict[str, str]], GitResult]


def has_folder(run: Run, url: str, ref: str, folder: str) -> bool | None:
    """Return whether a branch, tag or HEAD holds a folder. None: git could not tell.

    `run` calls git with arguments and variables. The contents of files are not fetched where the server can
    leave them out.
    """
    with tempfile.TemporaryDirectory(prefix="sauron-glance-", ignore_cleanup_errors=True) as place:
        here = {"GIT_DIR": place}
        fetch = ["fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "--no-auto-gc"]
        made = run(["init", "--bare", "--quiet", "--template=", "--", place], {})
        if not made.ok or not run([*fetch, "--", url, ref], here).ok:
            return None
        found = run(["ls-tree", "-d", "--name-only", "FETCH_HEAD", "--", folder], here)
        return bool(found.stdout.strip()) if found.ok else None
