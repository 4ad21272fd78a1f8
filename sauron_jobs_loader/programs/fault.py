"""One reason why a program cannot run, as a predicate of its file, with what to do."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """`text` follows the name of the file: "has Windows line ends". `cure` begins with a verb.

    `file` is the path of the file that was looked at, None if there is none. `begins`: the system starts the
    interpreter, which fails at once, because it gets a wrong word from the first line.
    """

    text: str
    cure: str
    file: str | None = None
    begins: bool = False
