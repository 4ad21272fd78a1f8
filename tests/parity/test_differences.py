"""What is not the same everywhere: each row of the README's table, measured."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.e2e.outside import ROOT, command, gone, wheel

from .differences import CAUGHT_UP, COLUMNS, seconds, table
from .test_processes import pids_of
from .world import World

pytestmark = pytest.mark.slow

LONG_SYNC_SECONDS = 22.0
Check = Callable[[World, str], None]
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
    runs = world.target.get("/runs?job_id=on-time")["runs"] + world.target.get("/runs?job_id=late")["runs"]
    late = [_between(run["due_at"], run["started_at"]) for run in runs if run["origin"] == "schedule" and run["started_at"]]
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


@row("the longest attempt")
def _longest(world: World, cell: str) -> None:
    if cell == "as its job says":
        assert world.target.get("/jobs/long")["timeout_seconds"] == 600
        return
    stages = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))["stages"].values()
    assert {stage["lambda_functions"]["work"]["lambda_timeout"] for stage in stages} == {seconds(cell)}


@row("a bundle's `requirements.txt`")
def _requirements(world: World, cell: str) -> None:
    wheel(world.repository.folder / "wheels", "paritynames", "1.2", "NAME = 'of a wheel'\n")
    job = 'job("imports", lambda: print(__import__("paritynames").NAME))'
    world.commit({"requirements.txt": "--no-index\n--find-links wheels\nparitynames==1.2\n", "manifest.py": world.manifest(job)})
    try:
        report = world.target.post("/sync")
        assert report["success"] is (cell == "installed"), report
        if report["success"]:
            assert world.target.log(world.target.ended(world.target.trigger("imports"))["id"]) == "of a wheel\n"
        else:
            assert "requirements.txt" in report["message"]
    finally:
        world.commit({"manifest.py": world.manifest()}, without=("requirements.txt",))
        world.synced()


@row("a bundle comes over")
def _transports(world: World, cell: str) -> None:
    environ = {"JOBS_GIT_REPO_URL": "ssh://git@127.0.0.1:1/bundle.git"} | ({} if "ssh" in cell else {"PATH": ""})  # no git there
    said = command(world.folder / "elsewhere", "--json", "sync", seconds=60, **environ).json
    assert said["success"] is False
    assert ("https" in said["message"]) is ("ssh" not in cell), said


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
        assert taken < 29
        assert answer.status_code in {200, 202, 503, 504}, answer.text
    world.synced()


@row(CAUGHT_UP)
def _caught_up(world: World, cell: str) -> None:
    before = world.target.get("/status")["last_tick"]["at"]
    world.target.restart()
    if cell == "at its start":
        world.target.until(lambda: world.target.get("/status")["last_tick"]["at"] > before, "it has ticked")
    else:
        world.target.tick_now()
        assert world.target.get("/status")["last_tick"]["at"] > before


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


@row("a browser is asked to sign in")
def _sign_in(world: World, cell: str) -> None:
    answer = world.target.ask("GET", "/", token=None, headers={"Accept": "text/html"})
    assert answer.status_code == 401
    asked = answer.headers.get("www-authenticate", "")
    assert asked.startswith("Basic ") is (cell == "yes"), answer.headers


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
