"""What loading a bundle leaves behind is not shared by its attempts, and is no older than a day."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, SHA, Runs, write_job
from tests.conftest import ManualClock

PROCESS = "\ndef run():\n    return LOADED_IN, os.environ.get('PATH')\nLOADED_IN = os.getpid()\n"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def runs(tmp_path: Path, clock: ManualClock) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4), now=clock.now)) as launcher:
        yield Runs(launcher, tmp_path / "bundle", spawn=False)


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "import http.client\nC = http.client.HTTPConnection('127.0.0.1', {port})\nC.connect()",
            "a connection to 127.0.0.1:{port}",
        ),
        ("import socket\nS = socket.create_server(('127.0.0.1', 0))", "a socket on 127.0.0.1:"),
        ("import socket\nA, B = socket.socketpair()", "a connection to another process"),
        (
            "import sqlite3\nDB = sqlite3.connect('a.db')\nDB.execute('create table if not exists t (a)')",
            "the open file ",
        ),
        ("ROWS = open('manifest.py')", "the open file "),
        ("P = os.pipe()", "a pipe"),
        ("import selectors\nS = selectors.EpollSelector()", "an event loop or timer of the kernel"),
        ("import multiprocessing\nL = multiprocessing.Lock()", "memory that is shared"),
        ("import multiprocessing\nN = multiprocessing.Value('i', 0)", "memory that is shared"),
        ("import mmap\nM = mmap.mmap(-1, 4096)", "memory that is shared"),
    ],
    ids=[
        *("connection", "server", "socket pair", "database", "file", "pipe", "event loop"),
        *("lock of processes", "value of processes", "mapped memory"),
    ],
)
def test_an_open_handle_of_a_module_is_not_shared_by_attempts(
    runs: Runs, server: int, body: str, words: str
) -> None:
    write_job(runs.folder, body.format(port=server) + PROCESS)
    left = runs.launcher.boot(SHA, runs.folder, ENVIRON).left_behind
    assert any(one.startswith(words.format(port=server)) for one in left), left
    results = [runs.run().verdict.result for _ in range(2)]
    assert len({loaded_in for loaded_in, _path in results}) == 2
    assert {path for _loaded_in, path in results} == {ENVIRON["PATH"]}


@pytest.mark.parametrize(
    "body",
    [
        "LOG = open('a.log', 'a')",
        "RANDOM = open('/dev/urandom', 'rb')",
        "with open('manifest.py') as file:\n    TEXT = file.read()",
        "import mmap\nM = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)",
        "import httpx, logging\nCLIENT = httpx.Client()\nlogging.basicConfig(filename='a.log')",
    ],
)
def test_what_forks_may_share_costs_no_fresh_interpreter(runs: Runs, body: str) -> None:
    write_job(runs.folder, body + PROCESS)
    assert runs.launcher.boot(SHA, runs.folder, ENVIRON).left_behind == ()
    assert len({runs.run().verdict.result[0] for _ in range(2)}) == 1


def test_a_module_is_loaded_again_when_the_date_has_changed(runs: Runs, clock: ManualClock) -> None:
    write_job(runs.folder, PROCESS)
    first = runs.run().verdict.result[0]
    clock.move(minutes=1)
    assert runs.run().verdict.result[0] == first
    clock.move(days=1)
    second = runs.run().verdict.result[0]
    assert second != first
    assert runs.run().verdict.result[0] == second


def test_an_attempt_of_yesterdays_process_runs_on(runs: Runs, clock: ManualClock) -> None:
    write_job(runs.folder, "def run():\n    os.read(os.open('go', os.O_RDONLY), 1)\n    return 'whole'")
    os.mkfifo(runs.folder / "go")
    go = os.open(runs.folder / "go", os.O_RDWR)
    attempt = runs.start()
    clock.move(days=1)
    later = runs.start()
    os.write(go, b"xx")
    assert [runs.watch(one).verdict.result for one in (attempt, later)] == ["whole", "whole"]
    os.close(go)


def test_what_loading_printed_is_told_without_the_loaders_own_lines(runs: Runs) -> None:
    write_job(runs.folder, "print('working')\ndef run():\n    pass", "func=run, overlap='x'")
    bundle = runs.launcher.boot(SHA, runs.folder, ENVIRON)
    assert len(bundle.rejected) == 1
    assert bundle.printed == "working"
    assert bundle.files == ("manifest.py",)


@pytest.mark.parametrize("spawn", [False, True])
def test_a_seed_at_loading_does_not_make_attempts_draw_the_same(runs: Runs, *, spawn: bool) -> None:
    body = "import numpy, random\nrandom.seed(7)\nnumpy.random.seed(7)\n"
    write_job(runs.folder, body + "def run():\n    return [random.random(), numpy.random.random()]")
    (runs.folder / "numpy").mkdir()  # its global generator, as a fork finds it
    (runs.folder / "numpy/__init__.py").write_text("from . import random\n")
    (runs.folder / "numpy/random.py").write_text(
        "import random as own\n_state = own.Random()\nseed, random = _state.seed, _state.random\n"
    )
    drawn = [runs.run(spawn=spawn).verdict.result for _ in range(3)]
    assert [len(set(of_one)) for of_one in zip(*drawn, strict=True)] == [3, 3]
