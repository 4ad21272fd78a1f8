"""The clock: what becomes of occurrences. All are due in one minute, for which the suite has prepared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.model.jobs import JobSpec
from tests.conftest import job_record

from .target import OPEN_STATES, Target, started_after
from .world import POLICIES, World

pytestmark = pytest.mark.slow

LATE = timedelta(seconds=15)


def occurrence(world: World, job_id: str) -> dict[str, Any]:
    """Wait for the minute and return the job's run for it, once something was decided."""
    assert world.minute is not None
    left = (world.minute - datetime.now(UTC)).total_seconds()
    return world.target.until(
        lambda: _decided(world.target, job_id), f"the minute has come for {job_id}", more=max(0.0, left) + 10
    )


def _decided(target: Target, job_id: str) -> dict[str, Any] | None:
    runs = target.get(f"/runs?job_id={job_id}")["runs"]
    return next((run for run in runs if run["origin"] == "schedule" and run["state"] != "queued"), None)


def test_an_occurrence_becomes_a_finished_run_in_its_minute(world: World) -> None:
    run = world.target.ended(occurrence(world, "on-time")["id"])
    assert (run["state"], run["origin"], len(run["attempts"])) == ("succeeded", "schedule", 1)
    assert datetime.fromisoformat(run["scheduled_for"]) == world.minute
    assert run["due_at"] == run["scheduled_for"]
    assert datetime.fromisoformat(run["started_at"]) >= world.minute
    assert world.target.get("/jobs/on-time")["next_run_at"] > run["scheduled_for"]


def test_jitter_delays_an_occurrence_by_what_its_job_always_is_delayed_by(world: World) -> None:
    assert world.minute is not None
    spec = JobSpec.from_record(job_record("late", "0 * * * *", jitter_minutes=1))
    run = occurrence(world, "late")
    assert datetime.fromisoformat(run["scheduled_for"]) == world.minute
    assert datetime.fromisoformat(run["due_at"]) == spec.due_at(world.minute) > world.minute
    assert run["started_at"] >= run["due_at"]


def test_an_occurrence_of_a_job_disabled_meanwhile_is_skipped(world: World) -> None:
    run = occurrence(world, "off")
    assert (run["state"], run["attempts"]) == ("skipped", [])
    assert "disabled" in run["reason"]


def test_overlap_skip_records_the_occurrence_and_lets_the_running_run_be(world: World) -> None:
    run = occurrence(world, "over-skip")
    assert (run["state"], run["attempts"]) == ("skipped", [])
    assert world.target.run(world.held["skip"])["state"] == "running"


def test_overlap_allow_starts_the_occurrence_beside_the_running_run(world: World) -> None:
    run = world.target.ended(occurrence(world, "over-allow")["id"])
    assert run["state"] == "succeeded"
    assert world.target.run(world.held["allow"])["state"] == "running"


def test_overlap_replace_ends_the_running_run_and_starts_the_occurrence(world: World) -> None:
    run = world.target.ended(occurrence(world, "over-replace")["id"])
    replaced = world.target.ended(world.held["replace"])
    assert (run["state"], replaced["state"]) == ("succeeded", "cancelled")
    assert started_after(run, replaced)


def test_overlap_queue_starts_the_occurrence_after_the_running_run(world: World) -> None:
    target = world.target
    occurrence(world, "over-skip")  # the minute has come
    runs = target.get("/runs?job_id=over-queue&state=queued")["runs"]
    [waiting] = [run for run in runs if datetime.fromisoformat(run["scheduled_for"]) == world.minute]
    for policy in POLICIES:
        world.touch(f"over-{policy}")
    before = target.ended(world.held["queue"])
    run = target.ended(waiting["id"])
    assert (before["state"], run["state"]) == ("succeeded", "succeeded")
    assert started_after(run, before)


def test_the_clock_keeps_coming_round_and_every_minute_has_one_run(world: World) -> None:
    target = world.target
    target.tick_now()
    assert target.get("/status")["scheduler_running"] is True
    now = datetime.now(UTC)
    target.until(lambda: not target.get("/runs?job_id=minutely&state=running")["runs"], "nothing of it runs")
    runs = target.get("/runs?job_id=minutely&limit=1000")["runs"]
    fires = sorted(datetime.fromisoformat(run["scheduled_for"]) for run in runs)
    assert fires[-1] >= now  # the next one waits already
    assert fires == [fires[0] + timedelta(minutes=number) for number in range(len(fires))]
    late = [
        run
        for run in runs
        if run["state"] in OPEN_STATES and datetime.fromisoformat(run["scheduled_for"]) < now - LATE
    ]
    assert (late, len(fires) > 1) == ([], True)
