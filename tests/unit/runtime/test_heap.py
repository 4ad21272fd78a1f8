from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps are Linux's")

THREADS = """
import ctypes, sqlite3, threading
from chalicelib.runtime.heap import share_heap

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
{call}

def fill():
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t AS SELECT randomblob(1000)")
    there.wait()

there = threading.Barrier(5)
for _ in range(4):
    threading.Thread(target=fill).start()
there.wait()
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


def heaps(call: str) -> int:
    command = [sys.executable, "-c", THREADS.format(call=call)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.count("<heap nr=")


@pytest.mark.process
def test_all_threads_of_a_runner_share_one_heap() -> None:
    assert heaps("") > 1
    assert heaps("share_heap()") == 1
