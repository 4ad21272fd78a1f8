"""The bundle: a sync changes all or nothing, and what an operator said outlives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.contract import problem

from .target import Target
from .world import World

pytestmark = pytest.mark.slow

SYNC_KEYS = {"success", "message", "sha", "jobs_added", "jobs_removed", "jobs_rescheduled"}
COUNTS = ("jobs_added", "jobs_removed", "jobs_rescheduled")


@pytest.fixture
def restored(world: World) -> Iterator[World]:
    """The bundle is afterwards as it was."""
    yield world
    world.commit({"manifest.py": world.manifest()})
    world.synced(accept_removals=True)


def git_of(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = target.get("/status")["git_sync_status"]
    return found


def test_a_sync_adds_removes_and_reschedules_jobs(restored: World) -> None:
    target = restored.target
    changed = restored.manifest(
        'job("fresh")', 'job("counts", seen.counts, "5 5 5 5 *")', without=('job("speaks"', 'job("counts"')
    )
    sha = restored.commit({"manifest.py": changed})
    report = restored.synced()
    assert set(report) >= SYNC_KEYS
    assert (report["sha"], report["added"], report["removed"]) == (sha, ["fresh"], ["speaks"])
    assert report["rescheduled"] == ["counts"]
    assert [report[name] for name in COUNTS] == [1, 1, 1]
    assert target.get("/jobs/counts")["cron"] == "5 5 5 5 *"
    assert "speaks" not in {job["id"] for job in target.get("/jobs")["jobs"]}
    assert target.ended(target.trigger("fresh"))["revision"] == sha


def test_a_sync_that_fails_says_why_and_the_last_good_revision_stays_active(restored: World) -> None:
    target, good = restored.target, git_of(restored.target)["current_sha"]
    restored.commit({"manifest.py": "this is no python\n"})
    answer = target.ask("POST", "/sync")
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert "manifest.py" in answer.json()["message"]
    git = git_of(target)
    assert (git["current_sha"], git["consecutive_failures"]) == (good, 1)
    assert "manifest.py" in git["last_error"]
    run = target.ended(target.trigger("hello"))
    assert (run["state"], run["revision"]) == ("succeeded", good)
    restored.commit({"manifest.py": restored.manifest()})
    restored.synced()
    git = git_of(target)
    assert (git["consecutive_failures"], git["last_error"]) == (0, None)


def test_a_bad_job_is_left_out_with_its_reason_and_the_others_go_live(restored: World) -> None:
    target = restored.target
    restored.commit({"manifest.py": restored.manifest('job("wrong", cron="61 * * * *")', 'job("right")')})
    assert restored.synced()["added"] == ["right"]
    [rejected] = target.get("/status")["rejected"]
    assert rejected["job_id"] == "wrong"
    assert "61" in str(rejected)


def test_a_rollback_pins_an_earlier_revision_until_the_next_sync(restored: World) -> None:
    target, first = restored.target, git_of(restored.target)["current_sha"]
    second = restored.commit({"manifest.py": restored.manifest('job("newer")')})
    restored.synced()
    back = target.post("/rollback", {"sha": first[:12]})
    assert (back["success"], back["sha"], back["removed"]) == (True, first, ["newer"])
    git = git_of(target)
    assert git["current_sha"] == first
    assert first.startswith(git["pinned_ref"])
    assert target.ended(target.trigger("hello"))["revision"] == first
    assert restored.synced()["sha"] == second
    assert git_of(target)["pinned_ref"] is None
    problem(target.ask("POST", "/rollback", json={"sha": "0" * 40}), 404)


def test_a_sync_that_removes_most_jobs_is_held_until_it_is_accepted(restored: World) -> None:
    target, good = restored.target, git_of(restored.target)["current_sha"]
    few = restored.commit(
        {
            "manifest.py": "from sauron_jobs_loader import JobConfig, job_registry\nfrom jobs import seen\n"
            'job_registry.register(JobConfig(id="hello", cron="0 8 1 1 *", func=seen.hello))\n'
        }
    )
    report = target.post("/sync")
    assert (report["success"], report["held"]) == (False, True)
    assert git_of(target)["current_sha"] == good
    report = target.post("/sync", {"accept_removals": True})
    assert (report["success"], report["sha"]) == (True, few)
    assert few[:12] in problem(target.ask("GET", "/jobs/greet"), 404)


def test_a_switch_takes_effect_at_once_and_a_sync_leaves_it(restored: World) -> None:
    target = restored.target
    assert target.post("/jobs/switched/disable", {"reason": "quiet"})["enabled"] is False
    restored.commit({"manifest.py": restored.manifest('job("other")')})
    restored.synced()
    job = target.get("/jobs/switched")
    assert (job["enabled"], job["next_run_at"], job["override"]["reason"]) == (False, None, "quiet")
    assert "disabled" in problem(target.ask("POST", "/jobs/switched/trigger"), 400)
    assert target.post("/jobs/switched/enable")["enabled"] is True
    assert target.get("/jobs/switched")["next_run_at"] is not None
