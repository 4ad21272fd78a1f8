"""What the processes of an attempt use while they run, measured from outside."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from sauron_jobs_loader.masking import Masker
from tests.bundle_runs import Runs, eventually, write_job

BUSY = """
import ctypes

def run():
    kept = bytearray(64 << 20)
    for place in range(0, len(kept), 4096):
        kept[place] = 1
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"secret-daemon", 0, 0, 0)
            time.sleep(60)
        os._exit(0)
    os.wait()
    busy = os.fork()
    if busy == 0:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        os._exit(0)
    while open(f"/proc/{busy}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    with subprocess.Popen(["sleep", "60"]):
        open(os.environ["READY"], "w").close()
"""


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    launcher = Launcher(grace=timedelta(seconds=0.4))
    with contextlib.closing(launcher):
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


def test_memory_processor_time_and_programs_of_the_whole_tree_are_seen(runs: Runs, tmp_path: Path) -> None:
    write_job(runs.folder, BUSY, "func=run")
    ready = tmp_path / "ready"
    attempt = runs.start(environ={"READY": str(ready)}, masker=Masker(["secret-daemon"]))
    watching = threading.Thread(target=runs.watch, args=(attempt,))
    watching.start()
    eventually(ready.exists)
    used = eventually(lambda: (seen := attempt.usage()) and "sleep" in seen.programs and seen)
    attempt.stop("seen enough")
    watching.join()
    assert used.memory_mb > 64
    assert used.cpu_seconds >= 0.58  # of two processes, one of which nobody has waited for
    assert sorted(used.programs) == ["***", "sleep"]
    assert attempt.usage() is None  # it is over
