"""`sauron top`: what one screen holds, and that it is drawn anew only on a terminal."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import Store
from chalicelib.store.queue import claims, finish, leases
from sauron.cli.top import drawn
from tests.conftest import ManualClock, define
from tests.terminal import ROOT
from tests.unit.container.cli.conftest import Cli

RUN = {
    "run_id": "0197a3f2-6c1d-7000-8000-000000000001",
    "job_id": "resize",
    "started_at": "2026-03-02T12:00:00Z",
    "attempt": 2,
    "max_attempts": 3,
    "progress": 0.42,
    "progress_note": "b.png\x1b[2J",
    "memory_mb": 311.6,
    "processors": 0.8,
    "seconds": 75.0,
}
FOUND: dict[str, Any] = {
    "at": "2026-03-02T12:01:15Z",
    "version": "3.0.0",
    "scheduler_running": True,
    "queue": {"queued": 4, "running": 1, "claiming": True},
    "runners": 1,
    "running": [RUN],
    "next": [{"job_id": f"job-{n}", "next_run_at": "2026-03-02T12:05:00Z"} for n in range(30)],
    "failing": [
        {
            "job_id": "backup\u202e",
            "run_id": "0197a3f1-0000-7000-8000-000000000001",
            "state": "failed",
            "finished_at": "2026-03-02T11:00:00Z",
            "error": "no space\nleft",
        }
    ],
    "degraded": [],
}


def screen(
    found: dict[str, Any], *, width: int = 100, rows: int = 10, trouble: str | None = None
) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    console.print(drawn(found, rows=rows, trouble=trouble))
    return stream.getvalue().splitlines()


def test_a_screen_shows_what_runs_and_how_far_what_fails_and_what_is_due() -> None:
    lines = screen(FOUND)
    text = "\n".join(lines)
    assert "Sauron 3.0.0  1 running, 4 queued, 1 runner" in lines[0]
    assert "resize   0197a3f2-6c1d  1 min 15 s  312 MB 80%  ####...... 42%  b.png  attempt 2 of 3" in text
    assert "no space" in text
    assert "left" not in text
    assert sum(line.startswith("job-") for line in lines) == 8  # ten rows, and the other tables have one each
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("width", [20, 40, 200])
def test_a_screen_fits_into_the_width_of_its_terminal_line_by_line(width: int) -> None:
    lines = screen(FOUND, width=width)
    assert max(map(len, lines)) <= width
    assert len(lines) == len(screen(FOUND))


def test_a_screen_of_nothing_says_so_and_why_it_is_old() -> None:
    idle = {**FOUND, "running": [], "next": [], "failing": [], "degraded": ["The disk is full."]}
    lines = screen(idle, trouble="no answer")
    assert lines[1:] == ["The disk is full.", "no answer", "", "Nothing runs.", "", "Nothing is scheduled."]


def test_one_object_holds_the_screen(cli: Cli, store: Store, clock: ManualClock) -> None:
    for job_id in ("fails", "works"):
        define(store, clock, job_id, "0 3 1 1 *")
        cli("run", job_id)
    clock.move(days=10_000)  # the command line queued them by the machine's clock
    with store.write() as tx:
        failed = claims.claim(tx, owner="me", now=clock.now()).run
        running = claims.claim(tx, owner="me", now=clock.now()).run
        assert failed
        assert running
        verdict = Verdict(Outcome.FAILED, error="no space")
        finish.finish(tx, failed, verdict, owner="me", now=clock.now(), retry_at=None)
        leases.note_progress(tx, running, owner="me", fraction=0.5, note="half", now=clock.now())
    found = cli("top", "--json").json
    assert [(one["job_id"], one["progress"], one["progress_note"]) for one in found["running"]] == [
        ("works", 0.5, "half")
    ]
    assert (found["running"][0]["memory_mb"], found["running"][0]["processors"]) == (None, None)
    assert "works" in "\n".join(screen(found))
    assert [(one["job_id"], one["run_id"], one["error"]) for one in found["failing"]] == [
        ("fails", failed.id, "no space")
    ]
    assert {one["job_id"] for one in found["next"]} == {"fails", "works"}
    printed = cli("top")
    assert printed.code == 0
    assert "works" in printed.out
    assert "\x1b" not in printed.out


@pytest.mark.process
@pytest.mark.parametrize("ending", ["q", "Ctrl-C"])
def test_on_a_terminal_it_stays_until_a_key_and_gives_the_screen_back(
    store: Store, tmp_path: Path, ending: str
) -> None:
    master, terminal = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'container'}", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "sauron.cli", "top", "--every", "3600"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**environ, "JOB_QUEUE_DB_URL": str(store.url)},
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(terminal)
    seen = b""
    while b"Nothing is scheduled" not in seen:
        seen += os.read(master, 65536)
    if ending == "q":
        os.write(master, b"xq")
    else:
        process.send_signal(signal.SIGINT)
    try:
        while part := os.read(master, 65536):
            seen += part
    except OSError:  # EIO: the process has closed it
        pass
    os.close(master)
    assert process.wait(30) == 0
    assert seen.index(b"\x1b[?1049h") < seen.index(b"Nothing runs") < seen.index(b"\x1b[?1049l")
    assert b"Traceback" not in seen
