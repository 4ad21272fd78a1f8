from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from chalicelib.wakeup.peers import Peers

RUNNER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from chalicelib.wakeup.peers import Peers
    me = Peers(Path(sys.argv[1]))
    me.join("other")
    print("joined", flush=True)
    print("woken" if me.wait(60) else "slept", flush=True)
    sys.stdin.read()
    """
)


def other(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    assert process.stdout
    assert process.stdout.readline() == "joined\n"
    return process


@pytest.mark.process
def test_a_wake_up_reaches_a_runner_in_another_process(tmp_path: Path) -> None:
    with other(tmp_path / "runners") as process:
        Peers(tmp_path / "runners").notify()
        assert process.stdout
        assert process.stdout.readline() == "woken\n"
        process.communicate()


@pytest.mark.process
def test_a_killed_runner_is_known_to_be_gone_at_once_and_a_living_one_is_not(tmp_path: Path) -> None:
    me = Peers(tmp_path)
    with other(tmp_path) as process:
        assert not me.gone("other")
        process.kill()
        process.communicate()
    assert me.gone("other")
    assert not me.gone("never-heard-of")
    me.sweep(frozenset({"other"}))
    assert me.gone("other")
    me.sweep(frozenset())
    assert list(tmp_path.iterdir()) == []


def test_a_deep_folder_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 8)
    me = Peers(deep)
    me.join("me")
    me.notify()
    assert me.wait(10)
    me.leave()
    assert list(deep.iterdir()) == []


def test_many_wake_ups_are_one_and_a_full_socket_harms_nobody(tmp_path: Path) -> None:
    me = Peers(tmp_path)
    me.join("me")
    for _ in range(2000):
        me.wake_self()
    assert me.wait(0)
    assert not me.wait(0)
    me.leave()


def test_a_wait_is_ended_by_a_wake_up_from_another_thread(tmp_path: Path) -> None:
    me = Peers(tmp_path)
    me.join("me")
    thread = threading.Timer(0, me.notify)
    thread.start()
    assert me.wait(60)
    thread.join()
    me.leave()


def test_waking_nobody_is_harmless(tmp_path: Path) -> None:
    Peers(tmp_path / "not-there").notify()
    me = Peers(tmp_path)
    me.join("me")
    assert not me.gone("me")
    me.leave()
    me.leave()
