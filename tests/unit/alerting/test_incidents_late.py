"""Runs that are late and occurrences that were missed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from chalicelib.model.runs import Origin, Outcome, RunState, Verdict
from chalicelib.operations.operations import Operations
from chalicelib.store.queue import claims, finish
from tests.conftest import define

from .conftest import YEARLY, World, gap

pytestmark = pytest.mark.every_store


def test_a_run_that_is_due_for_more_than_five_minutes_is_late_until_it_starts(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    run_id = world.put("j")
    for minutes, told in ((5, []), (1, ["job.late"]), (1, [])):
        world.clock.move(minutes=minutes)
        world.ticked()
        assert world.types() == told
    with world.store.write() as tx:
        run = claims.claim(tx, owner="me", now=world.clock.now()).run
    assert run
    assert run.id == run_id
    [(type_, data)] = world.look("j")
    assert (type_, data["kind"], data["run_id"]) == ("job.recovered", "late", run_id)


def test_a_run_that_waits_for_a_running_one_of_its_job_is_not_late(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY, overlap="queue")
    Operations(world.store, world.clock).trigger("j")
    with world.store.write() as tx:
        assert claims.claim(tx, owner="me", now=world.clock.now()).run
    world.put("j")
    world.clock.move(minutes=9)
    world.ticked()
    assert world.types() == []


def test_what_was_queued_before_downtime_is_not_late_before_the_tick_decided(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.ticked()
    world.put("j")
    world.clock.move(hours=1)
    assert world.types() == []
    world.put("j", due_at=world.clock.now() - timedelta(hours=1), origin=Origin.CATCHUP)
    world.store.engine.dispose()
    with world.store.write() as tx:
        tx.execute(text("DELETE FROM job_queue WHERE origin = 'schedule'"))
    world.ticked()
    assert world.types() == []


def test_a_slow_attempt_is_told_once_while_it_runs_and_its_end_is_not(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY, slow_after_seconds=90)
    define(world.store, world.clock, "other", YEARLY)
    for job_id in ("j", "other"):
        Operations(world.store, world.clock).trigger(job_id)
    with world.store.write() as tx:
        runs = [claims.claim(tx, owner="me", now=world.clock.now()).run for _ in range(2)]
    world.clock.move(seconds=90)
    assert world.types() == []
    world.clock.move(seconds=31)
    [(type_, data)] = world.look()
    assert runs[0] is not None
    assert (type_, data["job_id"], data["run_id"]) == ("job.slow", "j", runs[0].id)
    assert (data["attempt"], data["seconds"]) == (1, 121.0)
    world.clock.move(hours=30)
    assert world.types() == []
    with world.store.write() as tx:
        verdict = Verdict(Outcome.SUCCEEDED)
        finish.finish(tx, runs[0], verdict, owner="me", now=world.clock.now(), retry_at=None)
    assert world.types() == []


def test_each_gap_is_told_once_with_its_count_and_bounds(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    run_id = gap(world, 60)
    [(type_, data)] = world.look()
    assert (type_, data["run_id"], data["count"]) == ("job.missed", run_id, 3)
    assert (data["from"], data["to"]) == ("2026-03-02T09:00:30Z", "2026-03-02T11:00:30Z")
    assert "3 occurrences passed" in data["reason"]
    world.clock.move(minutes=1)
    assert world.types() == []
    gap(world, 1)
    gap(world)
    assert world.types() == ["job.missed", "job.missed"]
    for _ in range(3):
        world.clock.move(minutes=1)
        assert world.types() == []
    assert world.open() == [("j", "missed")]
    world.clock.move(days=3)
    assert world.types() == []  # it is over: nobody is reminded


def test_a_gap_ends_silently_once_a_later_occurrence_was_executed(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    gap(world, 60)
    assert world.types() == ["job.missed"]
    world.clock.move(seconds=5)
    world.put("j", RunState.SUCCEEDED, started_at=world.clock.now())
    assert world.types("j") == []
    assert world.open() == []
    assert world.types() == []


def test_a_gap_whose_job_ran_again_before_anybody_looked_is_told_all_the_same(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    gap(world, 60)
    world.clock.move(seconds=5)
    world.put("j", RunState.SUCCEEDED, started_at=world.clock.now())
    assert world.types() == ["job.missed"]
    for _ in range(4):
        world.clock.move(seconds=30)
        assert world.types() == []
    assert world.open() == []
