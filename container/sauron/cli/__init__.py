"""The command line: `sauron`, also as `python -m sauron.cli`.

Every command that asks Sauron something speaks the HTTP contract: to a running Sauron with `--url`, else to
the same application inside this process, on the same store. So there is one way in, whoever asks. Standard
output is data, standard error is messages; exit codes are 0 done, 1 the thing asked about failed, 2 wrong
use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from .root import invoke

    sys.exit(invoke(arguments))
