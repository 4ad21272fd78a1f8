from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import NoReturn

import pytest

from sauron_jobs_loader.exit_descriptor import exit_descriptor
from sauron_jobs_loader.toolkit import command

pytestmark = pytest.mark.process


def _refused(_pid: int, _flags: int = 0) -> NoReturn:
    raise PermissionError(1, "a filter refuses the call")


@pytest.fixture(params=["there", "missing", "refused"])
def _pidfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "missing":
        monkeypatch.delattr(os, "pidfd_open")
    elif request.param == "refused":
        monkeypatch.setattr(os, "pidfd_open", _refused)


def ready(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


@pytest.mark.usefixtures("_pidfd")
def test_the_descriptor_becomes_readable_when_the_child_ends_and_leaves_it_to_be_reaped() -> None:
    with subprocess.Popen(
        [sys.executable, "-Sc", "input(); raise SystemExit(7)"], stdin=subprocess.PIPE
    ) as child:
        descriptor = exit_descriptor(child.pid)
        assert not ready(descriptor, 0)
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()
        assert ready(descriptor, 30)
        os.close(descriptor)
        assert child.wait() == 7


@pytest.mark.usefixtures("_pidfd")
def test_a_process_that_is_no_child_of_ours_has_no_descriptor_without_pidfd() -> None:
    with subprocess.Popen([sys.executable, "-Sc", ""]) as child:
        child.wait()
    with pytest.raises(OSError, match=r"No (child|such) process|Errno"):
        os.close(exit_descriptor(child.pid))


@pytest.mark.usefixtures("_pidfd")
def test_a_program_of_a_job_ends_well_and_at_its_timeout() -> None:
    assert command.run([sys.executable, "-Sc", "print(1)"], timeout_seconds=30).output == "1\n"
    ended = command.run(
        [sys.executable, "-Sc", "input()"], timeout_seconds=0.2, grace_seconds=5, check=False, input=None
    )
    assert ended.returncode == 1  # its input is empty, so it fails before its time
    late = command.run(["sleep", "60"], timeout_seconds=0.2, check=False)
    assert (late.timed_out, late.returncode) == (True, -15)
