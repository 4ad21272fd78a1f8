"""A child is followed until it ends or until the deadline, and nothing of it is left."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from sauron_jobs_loader.bounded_process import BoundedProcess
from tests.bundle_runs import alive, eventually, pid_in

pytestmark = pytest.mark.process

ESCAPED = (
    "import os, subprocess, sys\n"
    "code = 'import time\\nwhile True: print(\"on and on\", flush=True)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
    "open(sys.argv[1], 'w').write(f'{child.pid}\\n')\n"
)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def started(
    *argv: str, data: bytes | None = b"", split: bool = False
) -> tuple[BoundedProcess, list[bytes], list[bytes]]:
    out: list[bytes] = []
    err: list[bytes] = []
    child = BoundedProcess(
        argv,
        env=os.environ,
        cwd=None,
        on_output=out.append,
        on_error=err.append if split else None,
        data=data,
    )
    return child, out, err


def test_all_output_of_a_child_that_ended_is_passed_on() -> None:
    child, out, _err = started("sh", "-c", "printf out; printf err >&2; exit 3")
    with child:
        assert child.follow(None)
        child.drain()
    assert (b"".join(out), child.returncode) == (b"outerr", 3)


def test_standard_error_is_apart_where_it_has_a_taker() -> None:
    child, out, err = started("sh", "-c", "printf out; printf err >&2", split=True)
    with child:
        child.follow(None)
        child.drain()
    assert (b"".join(out), b"".join(err)) == (b"out", b"err")


def test_input_longer_than_a_pipe_is_written_while_output_is_read() -> None:
    child, out, _err = started("cat", data=b"x" * 500_000)
    with child:
        child.follow(None)
        child.drain()
    assert len(b"".join(out)) == 500_000


def test_at_the_deadline_the_group_is_killed_when_the_child_is_closed(tmp_path: Path) -> None:
    script = f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/child; sleep 600' & wait"
    child, _out, _err = started("sh", "-c", script)
    with child:
        assert eventually((tmp_path / "child").exists)
        pid = pid_in(tmp_path / "child")
        assert not child.follow(time.monotonic() + 0.05)
    assert child.returncode == -9
    assert eventually(lambda: not alive(pid))


def test_a_writer_outside_of_the_group_is_not_waited_for(tmp_path: Path) -> None:
    child, out, _err = started(sys.executable, "-c", ESCAPED, str(tmp_path / "escaped"))
    before = time.monotonic()
    with child:
        assert child.follow(before + 60)
        child.drain(quiet=30, limit=0.2)
    os.kill(pid_in(tmp_path / "escaped"), 9)
    assert time.monotonic() - before < 30
    assert out


def test_a_silent_holder_of_the_output_is_not_waited_for() -> None:
    child, out, _err = started("sh", "-c", "sleep 600 & echo $!")
    with child:
        assert child.follow(time.monotonic() + 60)
        child.drain(limit=600)
    os.kill(int(b"".join(out)), 9)


def test_an_exception_leaves_no_process_and_no_descriptor() -> None:
    before = descriptors()
    child, _out, _err = started("sleep", "600")
    with pytest.raises(KeyboardInterrupt), child:
        raise KeyboardInterrupt
    assert not Path(f"/proc/{child.pid}").exists()
    assert descriptors() == before


def test_a_child_that_cannot_be_started_raises_and_leaves_no_descriptor() -> None:
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        started("no-such-program")
    assert descriptors() == before


def test_once_a_child_is_closed_its_number_is_never_used_again() -> None:
    child, out, _err = started("sh", "-c", "sleep 600 & echo $!")
    with child:
        child.follow(None)
        child.drain()
    left = os.pidfd_open(int(b"".join(out)))
    child.kill()
    assert select.select([left], [], [], 0.2)[0] == []
    signal.pidfd_send_signal(left, signal.SIGKILL)
    os.close(left)
    assert child.returncode == 0
