"""Where a sandbox refuses prctl, jobs run all the same, and what they leave in their session is ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle_runs import write_job
from tests.e2e.outside import ROOT, wait_for

pytestmark = pytest.mark.process
JOB = """
def run():
    left = "sleep 600 & echo $! > {file}"
    subprocess.run(["sh", "-c", left], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print("done")
"""
RUN = """
import contextlib, sys
from pathlib import Path
from tests.refused_calls import refuse_process_control
refuse_process_control()
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import Runs
with contextlib.closing(Launcher()) as launcher:
    told = Runs(launcher, Path(sys.argv[1]), sys.argv[2] == "spawn").run()
    print(told.verdict.outcome, told.output.strip())
"""


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_an_orphan_of_a_job_is_ended_with_it(tmp_path: Path, way: str) -> None:
    file = tmp_path / "pid"
    write_job(tmp_path / "bundle", JOB.format(file=file))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "bundle"), way],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout.startswith("succeeded done\n"), done.stdout + done.stderr
    assert "1 background process of this job still ran" in done.stdout
    stat = Path(f"/proc/{file.read_text().strip()}/stat")
    wait_for(lambda: _gone(stat), what="the orphan is ended")


def _gone(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
