"""The umask of this process and of its children: Sauron's own files are private, those of jobs as ever.

`keep_files_private` is called once, when a process of Sauron starts. Children get the umask from before it,
so that what jobs write has the permissions that it would have without Sauron. In a process that never called
it, children inherit the umask as it is.
"""

import os

PRIVATE = 0o077
INHERIT = -1  # what `subprocess` takes for: leave it as it is
_of_children = INHERIT


def keep_files_private() -> None:
    """From now on only this user may read what this process writes. A second call changes nothing."""
    global _of_children  # noqa: PLW0603 - a process has one umask
    before = os.umask(PRIVATE)
    if _of_children == INHERIT:
        _of_children = before


def of_children() -> int:
    """Return the umask to start a child with."""
    return _of_children


def as_before() -> None:
    """Give this process the umask back that it was started with: it writes files for others to read."""
    if _of_children != INHERIT:
        os.umask(_of_children)
