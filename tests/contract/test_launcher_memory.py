"""When memory runs out: whom the kernel ends, and what the run says of it. The cgroups are real."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader import command_guard
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import Runs
from tests.memory_cgroup import limited, run_in

pytestmark = pytest.mark.process

OWN = Path("/proc/self/oom_score_adj")
SCORES = """
def run():
    child = subprocess.run(["cat", "/proc/self/oom_score_adj"], capture_output=True, text=True, check=True)
    return [int(open("/proc/self/oom_score_adj").read()), int(child.stdout)]
"""
# A runner that is larger than any of its jobs, and two jobs that do not fit beside it.
RUNNER = """
import json, pathlib, sys, threading
from datetime import timedelta
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import Runs, write_job

ballast = bytearray(b"x") * (70 << 20)
launcher = Launcher(grace=timedelta(seconds=0.4))
runs = Runs(launcher, pathlib.Path(sys.argv[1]), False)
write_job(runs.folder, sys.argv[2], sys.argv[3])
ended = []
def attempt():
    told = runs.run()
    ended.append([told.verdict.outcome, told.verdict.error_type, told.verdict.error])
attempts = [threading.Thread(target=attempt) for _ in range(int(sys.argv[4]))]
for one in attempts:
    one.start()
for one in attempts:
    one.join()
launcher.close()
print(json.dumps(ended))
"""
EATS = """
def run():
    held = bytearray(300 << 20)
"""
EAT_TOGETHER = """
def run():
    held = bytearray(60 << 20)
    os.makedirs("met", exist_ok=True)
    open(f"met/{os.getpid()}", "w").close()
    while len(os.listdir("met")) < 2:
        time.sleep(0.01)
    more = bytearray(50 << 20)
"""


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as launcher:
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


def test_a_job_and_its_children_are_ended_before_the_runner_when_memory_runs_out(runs: Runs) -> None:
    before = int(OWN.read_text())
    told = runs.job(SCORES)
    assert told.facts.result is not None
    wanted = max(800, before)
    assert told.facts.result["value"] == [wanted, wanted]
    assert int(OWN.read_text()) == before


def test_a_command_is_ended_before_the_runner_when_memory_runs_out(runs: Runs) -> None:
    told = runs.job("", "command=['cat', '/proc/self/oom_score_adj']")
    assert int(told.output) == max(800, int(OWN.read_text()))


def test_what_fetches_and_installs_is_ended_before_the_runner_too() -> None:
    command = command_guard.guarded(["cat", OWN.as_posix()])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert int(started.stdout.read()) == max(400, int(OWN.read_text()))


@pytest.mark.parametrize(
    ("job", "fields", "attempts", "error"),
    [
        (EATS, "func=run", 1, "killed by the kernel because"),
        (EAT_TOGETHER, "func=run", 2, "killed, most likely by the kernel because"),
        (
            "",
            "command=['sh', '-c', '\"$0\" -c \"b = bytearray(300 << 20)\"; exit $?', sys.executable]",
            1,
            "the command ended with exit code 137; while it ran, the kernel killed a process because",
        ),
    ],
)
def test_over_the_limit_the_kernel_kills_a_job_and_not_the_runner_and_the_run_says_so(
    tmp_path: Path, job: str, fields: str, attempts: int, error: str
) -> None:
    with limited(256) as folder:
        ended = run_in(folder, RUNNER, str(tmp_path / "bundle"), job, fields, str(attempts))
    assert ended.returncode == 0, (ended.returncode, ended.stderr[-2000:])
    said = json.loads(ended.stdout)
    assert len(said) == attempts
    assert any(
        (one[2] or "").startswith(f"{error} memory ran out (limit 256 MB, the job used up to ")
        for one in said
    ), said
    assert all(one[0] == "failed" for one in said if one[2] and "memory" in one[2])
