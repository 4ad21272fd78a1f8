"""`sauron top`: what runs now and how far it is, what is due next, what fails.

On a terminal the screen is drawn anew until q or Ctrl-C; in a pipe, and with `--once`, it is printed once.
While Sauron cannot be asked, the last screen stays with the reason.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from chalicelib.clock import iso
from chalicelib.errors import SauronError
from chalicelib.model.runs import BAD, RunState
from chalicelib.text import cell, counted, memory, safe, taken

from .client import Client, command
from .examples import examples
from .output import PIPE_WIDTH, moment, show_json

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

MOST = 100  # runs that are asked for, and jobs that are due next
PRINTED_ROWS = 24  # of one screen in a pipe
BAR = 10  # marks of a whole progress
OLD = timedelta(seconds=30)  # of a measurement of what runs use
SHORT_ID = 13  # letters of a run's id that are shown; they tell runs of different milliseconds apart
FIXED_LINES = 8  # the head line, the headings and the empty lines
QUIT = (b"q", b"Q", b"\x03", b"")


@command("top", epilog=examples("sauron top", "sauron top --once --url https://sauron.example.org"))
@click.option("--once", is_flag=True, help="Print one screen and end; so does a pipe.")
@click.option(
    "--every",
    "seconds",
    metavar="SECONDS",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="How often the screen is drawn anew.",
)
def top(client: Client, *, once: bool, seconds: float) -> None:
    """Watch what runs, what is due and what fails. The key q or Ctrl-C ends it."""
    client.ensure_synced()
    found = view(client)
    if client.json:
        show_json(found)
    elif once or not sys.stdout.isatty():
        _print(found)
    else:
        _watch(client, found, seconds)


def view(client: Client) -> dict[str, Any]:
    """Return what one screen shows. Times are ISO 8601, `seconds` is how long a run has been running."""
    status = client.get("/status")
    now = datetime.now(UTC)
    running = client.get("/runs", state=RunState.RUNNING, limit=MOST)["runs"]
    jobs = client.get("/jobs", enabled_only="true")["jobs"]
    due = sorted((job for job in jobs if job["next_run_at"]), key=lambda job: str(job["next_run_at"]))
    failing = [(job, job["last_run"]) for job in jobs if job["last_run"] and job["last_run"]["state"] in BAD]
    return {
        "at": iso(now),
        "version": status["version"],
        "scheduler_running": status["scheduler_running"],
        "queue": status["queue"],
        "runners": len(status["runners"]),
        "running": [_run(run, now) for run in running],
        "next": [
            {"job_id": job["id"], **{name: job[name] for name in ("next_run_at", "cron", "timezone")}}
            for job in due[:MOST]
        ],
        "failing": [
            {
                "job_id": job["id"],
                "run_id": last["id"],
                "state": last["state"],
                "finished_at": last["finished_at"],
                "error": last["error"],
            }
            for job, last in failing
        ],
        "degraded": list(status.get("degraded", ())),
    }


def _run(run: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    begun = run["started_at"] and datetime.fromisoformat(run["started_at"])
    names = ("job_id", "started_at", "attempt", "max_attempts", "progress", "progress_note")
    seconds = max(0.0, round((now - begun).total_seconds(), 1)) if begun else None
    used = _measured(run["attempts"][-1], now) if run["attempts"] else {}
    used = {name: used.get(name) for name in ("memory_mb", "processors")}
    return {"run_id": run["id"], **{name: run[name] for name in names}, **used, "seconds": seconds}


def _measured(attempt: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """Return what an attempt used lately, empty if that is not known."""
    usage: Mapping[str, Any] = attempt["usage"] or {}
    age = now - datetime.fromisoformat(attempt["started_at"]) - timedelta(seconds=usage.get("seconds", 0))
    return usage if age <= OLD else {}


def _print(found: Mapping[str, Any]) -> None:
    from rich.console import Console

    watched = sys.stdout.isatty()
    console = Console(width=None if watched else PIPE_WIDTH, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(drawn(found, rows=PRINTED_ROWS))
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")  # with its colours


def drawn(found: Mapping[str, Any], *, rows: int, trouble: str | None = None) -> Group:
    """Return the screen, with up to so many rows below the headings; `trouble` is why it is an old one."""
    from rich.console import Group
    from rich.text import Text

    running, failing, coming = found["running"], found["failing"], found["next"]
    shares = _shares(rows, [len(running), len(failing), len(coming)])
    parts: list[Any] = [Text(cell(_head(found)), no_wrap=True, overflow="ellipsis")]
    parts += [
        Text(cell(line), style="yellow") for line in [*found["degraded"], *([trouble] if trouble else [])]
    ]
    parts += ["", _table("running", "run", "for", "uses", "progress") if running else Text("Nothing runs.")]
    for run in running[: shares[0]]:
        seen = (_long(run), _uses(run), _progress(run))
        _row(parts[-1], run["job_id"], run["run_id"][:SHORT_ID], *seen, style="cyan")
    if failing:
        parts += ["", _table("failing", "run", "since", "error")]
        for one in failing[: shares[1]]:
            error = (one["error"] or one["state"]).partition("\n")[0]
            _row(
                parts[-1],
                one["job_id"],
                one["run_id"][:SHORT_ID],
                moment(one["finished_at"]),
                error,
                style="red",
            )
    parts += ["", _table("due next", "when") if coming else Text("Nothing is scheduled.")]
    for one in coming[: shares[2]]:
        _row(parts[-1], one["job_id"], moment(one["next_run_at"]))
    return Group(*parts)


def _shares(rows: int, wanted: list[int]) -> list[int]:
    """Share rows among tables: each gets one in turn until it has all that it wants."""
    shares = [0] * len(wanted)
    while sum(shares) < rows and shares != wanted:
        for place, most in enumerate(wanted):
            if shares[place] < most and sum(shares) < rows:
                shares[place] += 1
    return shares


def _table(*columns: str) -> Table:
    from rich.table import Table

    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, no_wrap=True, overflow="ellipsis")
    return made


def _row(table: Table, first: str, *others: str | None, style: str = "") -> None:
    from rich.text import Text

    table.add_row(Text(cell(first), style=style), *(Text(cell(other or "-")) for other in others))


def _head(found: Mapping[str, Any]) -> str:
    queue = found["queue"]
    clock = "" if found["scheduler_running"] else ", its clock stands still"
    waiting = f"{queue['running']} running, {queue['queued']} queued" + (
        "" if queue["claiming"] else ", not claiming"
    )
    at = datetime.fromisoformat(found["at"]).astimezone()
    return (
        f"{at:%H:%M:%S}  Sauron {found['version']}{clock}  {waiting}, {counted(found['runners'], 'runner')}"
    )


def _long(run: Mapping[str, Any]) -> str | None:
    return None if run["seconds"] is None else taken(run["seconds"])


def _uses(run: Mapping[str, Any]) -> str | None:
    """Say memory and processor at the newest measurement; 100 % is one processor."""
    if run["memory_mb"] is None:
        return None
    return f"{memory(run['memory_mb'])} {run['processors']:.0%}"


def _progress(run: Mapping[str, Any]) -> str:
    tried = f"attempt {run['attempt']} of {run['max_attempts']}" if run["attempt"] > 1 else ""
    bar = ""
    if run["progress"] is not None:
        done = min(1.0, max(0.0, run["progress"]))
        bar = f"{'#' * int(done * BAR):.<{BAR}} {done:.0%}"
    return "  ".join(filter(None, [bar, run["progress_note"], tried]))


def _watch(client: Client, found: Mapping[str, Any], seconds: float) -> None:
    """Draw the screen anew until a key or Ctrl-C ends it."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False, emoji=False)

    def screen(trouble: str | None = None) -> Group:
        return drawn(
            found, rows=max(3, console.height - FIXED_LINES - len(found["degraded"])), trouble=trouble
        )

    live = Live(screen(), console=console, screen=True, auto_refresh=False, vertical_overflow="crop")
    with contextlib.suppress(KeyboardInterrupt), _keys() as read:
        try:
            with live:
                while not read(seconds):
                    try:
                        found = view(client)
                        live.update(screen(), refresh=True)
                    except SauronError as error:
                        live.update(screen(safe(str(error))), refresh=True)
        finally:  # Ctrl-C may come while the first screen is drawn
            live.stop()


@contextlib.contextmanager
def _keys() -> Iterator[Any]:
    """Read single keys; the yielded function waits so many seconds and returns whether one says to end."""
    if not sys.stdin.isatty():
        yield time.sleep
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read(seconds: float) -> bool:
        ready, _, _ = select.select([terminal], [], [], seconds)
        return bool(ready) and os.read(terminal, 1) in QUIT

    try:
        tty.setcbreak(terminal)
        yield read
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
