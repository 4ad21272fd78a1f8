"""The command line: `sauron`, also as `python -m sauron.cli`.

Commands use the HTTP API: of a running Sauron with `--url`, otherwise of the same application inside this
process, on the same store. Data goes to standard output, messages go to standard error. Exit codes: 0 done,
1 failed, 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    from sauron_jobs_loader import job_umask

    from .root import invoke

    job_umask.keep_files_private()
    sys.exit(invoke(arguments))
