from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from sauron_jobs_loader.process.tree_limits import pss_kb
from tests.other_user import as_user

pytestmark = pytest.mark.process

_PR_SET_DUMPABLE = 4
KEPT_MB = 32


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, who can become another user")
def test_the_memory_of_a_process_that_may_not_be_looked_into_counts_too(tmp_path: Path) -> None:
    def look() -> str:
        """As such a user look at a process that is closed, as a setuid program is."""
        ready, begun = os.pipe()
        child = os.fork()
        if not child:
            kept = b"x" * (KEPT_MB << 20)
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
            os.write(begun, kept[:1])
            os.read(os.pipe()[0], 1)
        os.read(ready, 1)
        try:
            with pytest.raises(PermissionError):
                Path(f"/proc/{child}/smaps_rollup").read_bytes()
            return str(pss_kb(child))
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)

    seen = as_user(65534, tmp_path, look)
    assert int(seen) > KEPT_MB << 10


def test_a_process_that_is_gone_uses_nothing() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert pss_kb(child) == 0
