"""What is not the same everywhere: each row of the README's table, measured."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.bundle.job_environment import WHITELIST
from tests.e2e.outside import command, gone, wheel

from .differences import BESIDES, CAUGHT_UP, COLUMNS, seconds, table
from .test_clock import occurrence
from .test_processes import GIVEN, pids_of
from .world import POLICIES, World

LONG_SYNC_SECONDS = 22.0
Check = Callable[[World, str], None]
LONGEST = "the longest attempt"
CHECKS: dict[str, Check] = {}


def row(name: str) -> Callable[[Check], Check]:
    """Declare what shows that a row holds: it is given the world and the target's cell."""

    def declare(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return declare


def test_every_row_of_the_table_has_its_check_and_every_check_its_row() -> None:
    assert set(CHECKS) == set(table())
    assert all(cells[name] for cells in table().values() for name in COLUMNS)


@pytest.mark.slow
@pytest.mark.parametrize("row", CHECKS)
def test_the_difference_is_as_the_readme_says(world: World, row: str) -> None:
    CHECKS[row](world, table()[row][world.target.name])


@row("a trigger starts within")
def _trigger_to_start(world: World, cell: str) -> None:
    taken = []
    for _ in range(3):  # a busy machine gets three tries
        run = world.target.ended(world.target.trigger("hello"))
        taken.append(_between(run["created_at"], run["started_at"]))
    assert min(taken) <= seconds(cell), taken


@row("an occurrence starts late by at most")
def _lateness(world: World, cell: str) -> None:
    runs = [world.target.ended(occurrence(world, job_id)["id"]) for job_id in ("on-time", "late")]
    late = [_between(run["due_at"], run["started_at"]) for run in runs]
    assert min(late) <= seconds(cell), late


@row("a cancel ends a job within")
def _cancel(world: World, cell: str) -> None:
    target = world.target
    taken = []
    for _ in range(2):
        run_id = target.trigger("long")
        pids = pids_of(target, run_id)
        began = time.monotonic()
        target.post(f"/runs/{run_id}/cancel")
        target.until(lambda: all(gone(pid) for pid in pids), "no process is left")  # noqa: B023 - waited for here
        taken.append(time.monotonic() - began)
        target.ended(run_id)
    assert min(taken) <= seconds(cell), taken


@row(LONGEST)
def _longest(world: World, cell: str) -> None:
    too_long = int(seconds(table()[LONGEST]["lambda"])) + 1
    with changed(world, f'job("longest", timeout_seconds={too_long})') as report:
        assert ("longest" in report["added"]) is ("at most" not in cell)
        assert ("longest" in rejected(world)) is ("at most" in cell)


@row("a `command` may be")
def _commands(world: World, cell: str) -> None:
    with changed(world, 'job("echoes", command=["/bin/echo", "heard"])') as report:
        assert ("echoes" in report["added"]) is (cell == "any program")
        assert ("echoes" in rejected(world)) is (cell != "any program")


@row("a bundle's `requirements.txt`")
def _requirements(world: World, cell: str) -> None:
    target = world.target
    wheel(world.repository.folder / "wheels", "paritynames", "1.2", "NAME = 'of a wheel'\n")
    requirements = {"requirements.txt": "--no-index\n--find-links wheels\nparitynames==1.2\n"}
    with changed(
        world, 'job("imports", lambda: print(__import__("paritynames").NAME))', files=requirements
    ) as report:
        if cell == "installed":
            assert target.log(target.ended(target.trigger("imports"))["id"]) == "of a wheel\n"
        else:
            assert "imports" not in report["added"]
            assert "paritynames" in report["message"] + rejected(world)


@contextmanager
def changed(world: World, *lines: str, files: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """Sync the bundle with these manifest lines and files added, return the report, and remove them again."""
    world.commit({"manifest.py": world.manifest(*lines), **(files or {})})
    try:
        yield world.target.post("/sync")
    finally:
        world.commit({"manifest.py": world.manifest()}, without=tuple(files or ()))
        world.synced(accept_removals=True)


def rejected(world: World) -> str:
    """Return what is said of the jobs that are rejected."""
    return json.dumps(world.target.get("/status")["rejected"])


@row("a bundle comes over")
def _transports(world: World, cell: str) -> None:
    # no git there
    environ = {"JOBS_GIT_REPO_URL": "ssh://git@127.0.0.1:1/bundle.git"} | (
        {} if "ssh" in cell else {"PATH": ""}
    )
    said = command(world.folder / "elsewhere", "--json", "sync", seconds=60, **environ).json
    assert said["success"] is False
    assert ("https" in said["message"]) is ("ssh" not in cell), said


@row(BESIDES)
def _environ(world: World, cell: str) -> None:
    seen = set(world.target.log(world.target.ended(world.target.trigger("environ"))["id"]).split())
    besides = seen - GIVEN - set(WHITELIST)
    assert besides == set(re.findall(r"`(\w+)`", cell))


@row("who is in `runners` of `/status`")
def _runners(world: World, cell: str) -> None:
    expected = {"itself": 1, "every runner": len(world.target.urls), "nobody": 0}[cell]
    world.target.until(lambda: len(world.target.get("/status")["runners"]) == expected or None, cell)


@row("`POST /sync` that takes 22 s")
def _long_sync(world: World, cell: str) -> None:
    world.git.stalls = True
    timer = threading.Timer(LONG_SYNC_SECONDS, world.git.released.set)
    timer.start()
    began = time.monotonic()
    try:
        answer = world.target.ask("POST", "/sync")
        taken = time.monotonic() - began
    finally:
        timer.join()
        world.git.stalls = False
        world.git.released.clear()
    if cell == "waits for its end":
        assert taken > LONG_SYNC_SECONDS - 1
        assert answer.status_code == 200
        assert answer.json()["success"] is False
    else:
        assert taken == pytest.approx(seconds(cell), abs=5)
        assert (answer.status_code, answer.json()["message"]) == (200, "still running")
    world.synced()


@row(CAUGHT_UP)
def _caught_up(world: World, cell: str) -> None:
    for policy in POLICIES:
        world.touch(f"over-{policy}")  # a stop would wait for what runs
    before = world.target.get("/status")["last_tick"]["at"]
    world.target.restart()
    if cell == "at its start":
        world.target.until(lambda: world.target.get("/status")["last_tick"]["at"] > before, "it has ticked")
    else:
        world.target.tick_now()
        assert world.target.get("/status")["last_tick"]["at"] > before


@row("a switch with `until` ends")
def _switch_ends(world: World, cell: str) -> None:
    target = world.target
    until = datetime.now(UTC) + timedelta(seconds=2)
    target.post("/jobs/switched/disable", {"until": until.isoformat()})
    assert target.get("/jobs/switched")["enabled"] is False
    if cell == "at the next minute":
        target.until(lambda: datetime.now(UTC) > until, "its end has come")
        target.tick_now()
    else:
        assert cell == "at its instant"
    target.until(lambda: target.get("/jobs/switched")["enabled"], "it is on again", more=5)


@row("a path that does not exist")
def _unknown_path(world: World, cell: str) -> None:
    assert world.target.ask("GET", "/no/such/path").status_code == int(cell[:3])


@row("alerts are sent")
def _alerts(world: World, cell: str) -> None:
    target = world.target

    def told(word: str) -> bool:
        return any(word in asked.body and "raises" in asked.body for asked in world.receiver.asked)

    target.post("/jobs/raises/enable")
    target.ended(target.trigger("raises"))
    if cell == "at once":
        target.until(lambda: told("job.failing"), "people were told")
    else:
        target.tick_now()
        target.until(lambda: told("job.failing"), "people were told", more=60)


@row("a script that asks for `/` is told of Basic")
def _basic(world: World, cell: str) -> None:
    browser = world.target.ask("GET", "/", token=None, headers={"Accept": "text/html"})
    assert browser.status_code == 303
    assert browser.headers["location"].endswith("/ui/sign-in?next=%2F")
    answer = world.target.ask("GET", "/", token=None)
    assert answer.status_code == 401
    asked = answer.headers.get("www-authenticate", "")
    assert asked.startswith("Basic ") is (cell == "yes"), answer.headers


@row("an assistant's `POST /mcp`")
def _assistant(world: World, cell: str) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "parity", "version": "1"},
        },
    }
    headers = {"Accept": "application/json, text/event-stream"}
    answer = world.target.ask("POST", "/mcp", json=hello, headers=headers)
    assert answer.status_code == (200 if cell == "is answered" else 501), answer.text


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
