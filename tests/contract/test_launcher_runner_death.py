"""The runner dies by kill -9 at any moment, and its whole tree ends without anybody's help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.bundle_runs import alive, eventually, pid_in, tagged, write_job

ROOT = Path(__file__).resolve().parents[2]

RUNNER = """
    import os, sys
    from datetime import timedelta
    from pathlib import Path
    sys.path[:0] = sys.argv[1:2]
    from sauron_jobs_loader.launch.launcher import AttemptRequest, Launcher

    environ = {"PATH": os.environ["PATH"], "TAG": os.environ["TAG"]}
    folder, spawn = Path(sys.argv[2]), sys.argv[3] == "spawn"
    request = AttemptRequest("a" * 40, folder, "job", "r", 1, None, None, environ, {}, spawn, environ)
    attempt = Launcher().start(request)
    minute = timedelta(seconds=60)
    print(attempt.watch(timeout=minute, on_output=lambda _: None, on_progress=print, on_state=print))
"""

TREE = """
    def run():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open(os.path.dirname(__file__) + "/../pid", "w").write(f"{os.getpid()}\\n")
                time.sleep(600)
            os._exit(0)
        time.sleep(600)
"""


@pytest.mark.faults
@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize("moment", ["running", "loading"])
def test_kill_9_of_the_runner_ends_the_whole_tree(tmp_path: Path, isolation: str, moment: str) -> None:
    """A runner is killed while a job loads or runs, forked or spawned; the job ignores SIGTERM."""
    body = dedent(TREE)
    if moment == "loading":
        tell = 'open(os.path.dirname(__file__) + "/../pid", "w").write(f"{os.getpid()}\\n")'
        body = f"{tell}\nwhile True:\n    pass\n{body}"
    folder = write_job(tmp_path / "bundle", body)
    tag = f"runner-death-{os.getpid()}-{isolation}-{moment}"
    command = [sys.executable, "-c", dedent(RUNNER), str(ROOT), str(folder), isolation]
    with subprocess.Popen(command, env={**os.environ, "TAG": tag}) as runner:
        innermost = pid_in(tmp_path / "pid")
        assert len(tagged(tag)) > 2
        runner.kill()
    eventually(lambda: not tagged(tag), seconds=5)
    assert not alive(innermost)
