"""Programs that a job runs: their output, their end, and what is left of them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from sauron_jobs_loader.toolkit.command import CommandError, run
from tests.bundle_runs import alive, eventually, pid_in

pytestmark = pytest.mark.process


def test_output_goes_to_the_log_and_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    told = run(["sh", "-c", "echo out; echo err >&2; printf rest"])
    assert (told.returncode, told.output, told.timed_out) == (0, "out\nerr\nrest", False)
    assert told.argv[0] == "sh"
    assert capsys.readouterr().out == "out\nerr\nrest\n"


def test_only_the_end_of_much_output_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    told = run([sys.executable, "-c", "print('x' * 300_000); print('end')"], keep_chars=1000)
    assert told.output.startswith("[... 299005 bytes left out ...]\n")
    assert told.output.endswith("x\nend\n")
    assert len(capsys.readouterr().out.replace("\n", "")) == 300_003


def test_a_failure_is_an_error_with_the_code_and_the_last_lines() -> None:
    with pytest.raises(CommandError, match="sh ended with exit code 3") as failed:
        run(["sh", "-c", "echo why --token=$0; exit 3", "hidden-argument"])
    assert "why" in str(failed.value)
    assert failed.value.result
    assert failed.value.result.returncode == 3
    assert run(["sh", "-c", "kill -9 $$"], check=False).returncode == -9


def test_input_and_environment_and_folder_are_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONE", "yes")
    script = "cat; echo $ADDED ${GONE-none} $PWD"
    told = run(["sh", "-c", script], input="line\n", env={"ADDED": "added", "GONE": None}, cwd=tmp_path)
    assert told.output == f"line\nadded none {tmp_path}\n"
    assert len(run(["cat"], input=b"x" * 500_000, keep_chars=1_000_000).output) == 500_000
    assert run(["true"], input=b"x" * 500_000).returncode == 0


@pytest.mark.parametrize("handler", ["SIG_DFL", "SIG_IGN"])
def test_at_its_timeout_a_program_ends_with_all_it_started(tmp_path: Path, handler: str) -> None:
    script = (
        "import os, signal, subprocess, sys, time\n"
        f"signal.signal(signal.SIGTERM, signal.{handler})\n"
        "child = subprocess.Popen(['sh', '-c', 'trap \"\" TERM; sleep 600'], start_new_session=True)\n"
        f"open({str(tmp_path / 'a')!r}, 'w').write(f'{{child.pid}}\\n')\n"
        f"open({str(tmp_path / 'b')!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        "print('begun', flush=True)\ntime.sleep(600)"
    )
    with pytest.raises(
        CommandError, match=r"did not end within 2 s\. The end of its output:\nbegun"
    ) as failed:
        run([sys.executable, "-c", script], timeout_seconds=2, grace_seconds=0.3)
    assert failed.value.result
    assert failed.value.result.timed_out
    pids = [pid_in(tmp_path / name) for name in ("a", "b")]
    assert eventually(lambda: not any(map(alive, pids)))


def test_what_a_program_leaves_behind_does_not_hold_the_job() -> None:
    told = run(["sh", "-c", "sleep 30 & echo $!"])
    pid = int(told.output)
    assert told.seconds < 20
    os.kill(pid, signal.SIGKILL)


def test_a_program_that_cannot_be_started_is_told_by_what_its_file_is(tmp_path: Path) -> None:
    (tmp_path / "dos.sh").write_bytes(b"#!/bin/sh\r\n")
    (tmp_path / "dos.sh").chmod(0o755)
    with pytest.raises(CommandError, match=r"started: dos\.sh has Windows line ends\. Save it"):
        run(["./dos.sh"], cwd=tmp_path)
    with pytest.raises(CommandError, match=r"sh cannot be started: cwd='/none' is not a folder\. Make it"):
        run(["sh"], cwd="/none")


def test_a_program_that_cannot_be_started_is_said() -> None:
    with pytest.raises(CommandError, match=r"no-such-program cannot be started: No such file.*Install it"):
        run(["no-such-program"], check=False)
    with pytest.raises(CommandError, match="There is no shell"):
        run("df -h")
    with pytest.raises(CommandError, match="a list of texts"):
        run([])
