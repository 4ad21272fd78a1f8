"""The command line: `sauron`, also as `python -m sauron.cli`.

Commands use the HTTP API: of a running Sauron with `--url`, otherwise of the same application inside this
process, on the same store. Data goes to standard output, messages go to standard error. Exit codes: 0 done,
1 failed, 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def main(arguments: Sequence[str] | None = None, *, commands: Sequence[click.Command] | None = None) -> None:
    """Run one command and exit with its code. `commands` stand for Sauron's own."""
    from chalicelib import logs
    from chalicelib.runtime.closed_memory import close_memory
    from sauron_jobs_loader import job_umask

    from . import root

    close_memory()  # it may hold the store's password, and jobs of `run --direct` are of the same user
    job_umask.keep_files_private()
    logs.capture_crashes()
    sys.exit(root.invoke(arguments, commands=root.COMMANDS if commands is None else commands))
