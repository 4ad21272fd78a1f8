"""Definitions, the bundle, the outbox and the disk."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from chalicelib.store import Store, schema
from tests.conftest import START, ManualClock, define

from .conftest import YEARLY, World, gap

pytestmark = pytest.mark.every_store


def test_a_rejected_definition_is_told_and_that_it_is_no_longer(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.rejects(
        {"job_id": "j", "place": "manifest.py:7", "reason": "cron has 4 fields"},
        {"job_id": None, "place": "manifest.py:9", "reason": "id is missing"},
    )
    told = world.look()
    assert [(type_, data["subject"], data["job_id"]) for type_, data in told] == [
        ("job.rejected", "j", "j"),
        ("job.rejected", "manifest.py:9", None),
    ]
    gap(world, 3, "definition rejected")
    assert world.types() == []  # people know why
    world.clock.move(hours=1)
    world.rejects()
    assert world.types() == ["job.recovered", "job.recovered"]


def test_a_rejected_definition_of_a_disabled_job_is_silent(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY, enabled=False)
    world.rejects({"job_id": "j", "place": "manifest.py:7", "reason": "cron has 4 fields"})
    assert world.types() == []


def test_the_bundle_is_failing_at_the_third_fetch_in_a_row(world: World) -> None:
    for times, told in ((1, []), (2, []), (3, ["sync.failing"]), (4, [])):
        world.bundle(fault="fetch", fault_count=times, failing_since=START, last_error="no route to git.test")
        assert world.types() == told
    world.clock.move(minutes=30)
    world.bundle(fault=None, consecutive_failures=0, failing_since=None, last_error=None)
    [(type_, data)] = world.look()
    assert (type_, data["down_seconds"], data["job_id"]) == ("sync.recovered", 1800, None)


@pytest.mark.parametrize("fault", ["load", "held"])
def test_a_manifest_is_rejected_at_once_and_stays_so_while_it_cannot_be_fetched(
    world: World, fault: str
) -> None:
    world.bundle(
        fault=fault, consecutive_failures=1, failing_since=START, last_error="manifest.py:3: SyntaxError"
    )
    [(type_, data)] = world.look()
    assert (type_, data["reason"], data["link"]) == (
        "manifest.rejected",
        "manifest.py:3: SyntaxError",
        "https://sauron.test/",
    )
    world.bundle(fault="fetch", consecutive_failures=2, last_error="no route")
    assert world.types() == []
    world.bundle(fault=None, consecutive_failures=0, last_error=None)
    assert world.types() == ["manifest.recovered"]


def test_a_reminder_of_what_cannot_be_seen_now_says_what_was_wrong(world: World) -> None:
    world.bundle(fault="load", failing_since=START, last_error="manifest.py:3: SyntaxError")
    assert world.types() == ["manifest.rejected"]
    world.bundle(fault="fetch", fault_count=1, last_error="no route")
    world.clock.move(days=1)
    [(type_, data)] = world.look()
    assert (type_, data["reminder"], data["reason"]) == (
        "manifest.rejected",
        True,
        "manifest.py:3: SyntaxError",
    )


def test_one_fetch_that_fails_after_a_manifest_did_is_no_trouble_of_the_network(world: World) -> None:
    world.bundle(
        fault="load",
        fault_count=50,
        consecutive_failures=50,
        failing_since=START,
        last_error="manifest.py:3: SyntaxError",
    )
    assert world.types() == ["manifest.rejected"]
    world.bundle(fault="fetch", fault_count=1, consecutive_failures=51, last_error="no route")
    assert world.types() == []


def test_the_outbox_is_stuck_after_a_quarter_of_an_hour(store: Store, clock: ManualClock) -> None:
    world = World(store, clock, DATABASE_URL="postgresql://u:p@db.test/lifehub")
    with store.write() as tx:
        tx.execute(insert(schema.outbox), {"kind": "jobs", "created_at": clock.now()})
    told = []
    for _ in range(16):
        clock.move(minutes=1)
        told += world.look()
    [(type_, data)] = told
    assert (type_, data["waiting"], data["since"]) == ("outbox.stuck", 1, "2026-03-02T12:00:30Z")
    with store.write() as tx:
        tx.execute(schema.outbox.delete())
    assert world.types() == ["outbox.recovered"]


def test_a_disk_is_low_below_its_bound_and_well_only_a_tenth_above(world: World) -> None:
    mb = 1 << 20
    seen = [world.types(free=free * mb) for free in (501, 499, 400, 510, 549, 551, 501)]
    assert seen == [[], ["disk.low"], [], [], [], ["disk.recovered"], []]


def test_a_clock_that_was_set_back_is_told_until_it_is_well_past_where_it_was(world: World) -> None:
    def after(minutes: int) -> list[str]:
        world.clock.move(minutes=minutes)
        world.ticked()
        return world.types()

    assert after(0) == []
    assert after(-1) == []  # clocks of two machines differ by so much
    assert after(-58) == ["clock.set_back"]
    assert world.open() == [("sauron", "clock")]
    assert after(57) == []  # it is told once
    assert after(10) == []
    assert after(8) == ["clock.recovered"]
    assert after(1) == []


def test_runners_whose_clocks_differ_by_minutes_are_told_of_once(world: World) -> None:
    told = []
    for _ in range(5):
        for minutes in (-10, 11):
            world.clock.move(minutes=minutes)
            world.ticked()
            told += world.types()
    assert told == ["clock.set_back"]
