"""Downtime: what was acknowledged, switched and missed meanwhile. These restart Sauron, so they run last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .differences import CAUGHT_UP, differs
from .past import age
from .target import OPEN_STATES, Target
from .world import World

pytestmark = pytest.mark.slow

AWAY = timedelta(days=3)  # whole days, so that the ledger agrees with the same schedules
DAYS = 3


def test_a_trigger_that_was_acknowledged_outlives_a_kill(world: World) -> None:
    target = world.target
    target.post("/jobs/switched/disable", {"reason": "kept"})
    before = target.trigger("tail", params={"go": "never"})
    target.until(lambda: "one" in target.log(before), "a run is under way")
    # they wait their turn
    acknowledged = [target.trigger("tail", params={"go": "after-the-kill"}) for _ in range(2)]
    target.kill()
    target.start(**target.environ)
    world.touch("after-the-kill")
    cut = target.ended(before, more=60)
    assert (cut["state"], [one["outcome"] for one in cut["attempts"]]) == ("failed", ["interrupted"])
    for run_id in acknowledged:
        run = target.ended(run_id)
        assert (run["state"], len(run["attempts"])) == ("succeeded", 1)


def test_a_switch_outlives_a_restart(target: Target) -> None:
    target.post("/jobs/switched/disable", {"reason": "kept"})
    sha = target.get("/status")["git_sync_status"]["current_sha"]
    target.restart()
    job = target.get("/jobs/switched")
    assert (job["enabled"], job["override"]["reason"]) == (False, "kept")
    assert target.get("/status")["git_sync_status"]["current_sha"] == sha


def test_what_was_missed_while_it_was_down_is_caught_up_as_each_job_says(world: World) -> None:
    target = world.target
    assert not target.get("/runs?state=running")["runs"]
    target.stop()
    age(target.store_url, AWAY)
    target.start(**target.environ)
    if differs(CAUGHT_UP, target.name):
        target.tick_now()
    latest = caught_up(target, "catch-latest")
    assert [run["state"] for run in latest] == ["missed", "succeeded"]
    assert latest[0]["gap"]["count"] == DAYS - 1
    missed = caught_up(target, "catch-none")
    assert [(run["state"], run["gap"]["count"]) for run in missed] == [("missed", DAYS)]
    assert [run["state"] for run in caught_up(target, "catch-all")] == ["succeeded"] * DAYS


def caught_up(target: Target, job_id: str) -> list[dict[str, Any]]:
    """Return the runs of the missed occurrences, the oldest first, once all are finished."""

    def all_over() -> list[dict[str, Any]] | None:
        runs = [run for run in target.get(f"/runs?job_id={job_id}")["runs"] if run["origin"] == "catchup"]
        return runs if runs and not any(run["state"] in OPEN_STATES for run in runs) else None

    return sorted(target.until(all_over, f"{job_id} is caught up"), key=lambda run: str(run["scheduled_for"]))


def test_the_audit_finds_no_hole_after_all_this(target: Target) -> None:
    answer = target.get("/audit")
    assert (answer["clean"], answer["holes"]) == (True, [])
    assert answer["occurrences"] > DAYS
    said = target.audit()
    assert said.code == 0, said.out + said.err
    assert said.json["clean"] is True
