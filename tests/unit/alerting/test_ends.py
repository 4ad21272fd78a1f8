"""Whoever was told that something is wrong is told that it no longer counts, and why, however it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.model.runs import JobId, RunState
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.store import Store, ledger, registry, schema
from chalicelib.store import incidents as table
from chalicelib.store.queue import claims
from tests.conftest import START, ManualClock, define

from .conftest import BAD, GOOD, MAIL, YEARLY, World

pytestmark = pytest.mark.every_store


def failing(world: World, job_id: str = "j", **fields: Any) -> None:
    """Let a job fail, and people hear of it."""
    define(world.store, world.clock, job_id, YEARLY, **fields)
    world.end(job_id, BAD)
    assert world.types(job_id) == ["job.failing"]
    world.clock.move(minutes=10)


def switched_off(world: World) -> None:
    request = SwitchRequest(by="ops", reason="too noisy")
    Operations(world.store, world.clock).disable("j", request)


def off_in_the_manifest(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY, enabled=False)


def removed(world: World) -> None:
    with world.store.write() as tx:
        job = registry.job(tx, "j")
        assert job
        ledger.retire(tx, job, now=world.clock.now())


def forgotten(world: World) -> None:
    with world.store.write() as tx:
        tx.execute(schema.job_queue.delete())


@pytest.mark.parametrize(
    ("act", "by", "title", "reason"),
    [
        (switched_off, "disabled", "it is disabled", "the job was disabled by ops: too noisy"),
        (off_in_the_manifest, "disabled", "it is disabled", "the manifest disables the job"),
        (removed, "removed", "it was removed", "the job was removed from the bundle"),
        (forgotten, "forgotten", "its runs are no longer kept", "its runs are no longer kept"),
    ],
)
def test_a_told_failure_that_ends_without_a_good_run_ends_with_its_reason(
    world: World, act: Callable[[World], None], by: str, title: str, reason: str
) -> None:
    failing(world)
    act(world)
    [(type_, data)] = world.look()
    assert (type_, data["job_id"], data["kind"], data["ended_by"]) == ("job.recovered", "j", "failing", by)
    assert data["title"] == f"j is no longer watched: {title}"
    assert data["reason"] == f"{reason}; before that: no route to host"
    assert data["down_seconds"] == 600
    assert world.open() == []
    assert world.types() == []


@pytest.mark.parametrize("looked", [False, True])
def test_a_job_that_is_switched_off_and_on_and_succeeds_has_its_end_told_once(
    world: World, *, looked: bool
) -> None:
    failing(world)
    told = []
    switched_off(world)
    told += world.types() if looked else []
    Operations(world.store, world.clock).enable("j")
    told += world.types() if looked else []
    world.end("j", GOOD)
    assert told + world.types("j") + world.types() == ["job.recovered"]


@pytest.mark.parametrize("alert_after", [1, 3])
def test_another_alert_after_leaves_what_was_told_open_until_a_good_run(
    world: World, alert_after: int
) -> None:
    failing(world, alert_after=1)
    define(world.store, world.clock, "j", YEARLY, alert_after=alert_after)
    assert world.types() == []
    world.end("j", GOOD)
    assert world.types("j") == ["job.recovered"]


def test_a_failing_job_whose_definition_is_rejected_and_then_removed_ends_both(world: World) -> None:
    failing(world)
    world.rejects({"job_id": "j", "place": "manifest.py:7", "reason": "cron has 4 fields"})
    assert world.types() == ["job.rejected"]
    removed(world)
    world.rejects()
    ends = {data["kind"]: (type_, data.get("ended_by")) for type_, data in world.look()}
    assert ends == {"failing": ("job.recovered", "removed"), "rejected": ("job.recovered", None)}


def test_a_rejected_job_that_is_disabled_ends_with_that(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.rejects({"job_id": "j", "place": "manifest.py:7", "reason": "cron has 4 fields"})
    assert world.types() == ["job.rejected"]
    switched_off(world)
    [(type_, data)] = world.look()
    assert (type_, data["kind"], data["ended_by"]) == ("job.recovered", "rejected", "disabled")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"state": RunState.CANCELLED, "reason": None}, "its run was cancelled before it started"),
        (
            {"state": RunState.SKIPPED, "reason": "paused"},
            "its run was skipped before it started: paused",
        ),
    ],
)
def test_a_late_job_says_what_became_of_its_run(world: World, columns: dict[str, Any], reason: str) -> None:
    run_id = late(world)
    with world.store.write() as tx:
        change = schema.job_queue.update().where(schema.job_queue.c.id == run_id)
        tx.execute(change.values(finished_at=world.clock.now(), **columns))
    [(type_, data)] = world.look()
    assert (type_, data["kind"], data["reason"]) == ("job.recovered", "late", reason)


def test_a_late_job_whose_run_starts_says_when(world: World) -> None:
    late(world)
    with world.store.write() as tx:
        assert claims.claim(tx, owner="me", now=world.clock.now()).run
    [(_, data)] = world.look()
    assert data["reason"] == "its run started at 2026-03-02T12:06:30Z"


def late(world: World) -> str:
    """Let a job be late, and people hear of it; return the run."""
    define(world.store, world.clock, "j", YEARLY)
    run_id = world.put("j")
    world.clock.move(minutes=6)
    world.ticked()
    assert world.types() == ["job.late"]
    return run_id


def rename(world: World, old: str, new: str) -> None:
    with world.store.write() as tx:
        job = registry.job(tx, old)
        assert job
        ledger.rename(tx, job, JobId(new), now=world.clock.now())
        table.rename(tx, old, new)


def test_a_renamed_job_recovers_under_the_name_by_which_people_know_it(world: World) -> None:
    failing(world)
    rename(world, "j", "j2")
    rename(world, "j2", "j3")
    assert world.types() == []
    world.end("j3", GOOD)
    [(type_, data)] = world.look("j3")
    assert (type_, data["job_id"], data["renamed_to"]) == ("job.recovered", "j", "j3")
    assert data["title"] == "j (now j3) recovered"


def test_a_renamed_job_that_was_told_again_recovers_under_both_names(world: World) -> None:
    failing(world)
    rename(world, "j", "j2")
    world.clock.move(days=1)
    assert [data["job_id"] for _, data in world.look()] == ["j2"]
    world.end("j2", GOOD)
    assert [(type_, data["job_id"]) for type_, data in world.look("j2")] == [
        ("job.recovered", "j"),
        ("job.recovered", "j2"),
    ]
    failing(world, "j2")
    world.end("j2", GOOD)
    assert [data["job_id"] for _, data in world.look("j2")] == ["j2"]


def test_a_job_may_take_the_name_of_one_with_the_same_trouble(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.rejects(*({"job_id": one, "place": "manifest.py:7", "reason": "no cron"} for one in ("j", "j2")))
    assert world.types() == ["job.rejected"] * 2
    world.rejects()
    rename(world, "j", "j2")
    assert world.types() == ["job.recovered"] * 2


def test_a_channel_that_came_later_hears_of_the_end(store: Store, clock: ManualClock) -> None:
    failing(World(store, clock))
    both = World(store, clock, **MAIL)
    both.types()
    both.end("j", GOOD)
    assert both.types("j") == ["job.recovered"] * 2


def test_what_nobody_heard_of_ends_in_silence(store: Store, clock: ManualClock) -> None:
    silent = World(store, clock, SAURON_ALERT_WEBHOOK_URL="")
    define(store, clock, "j", YEARLY)
    silent.end("j", BAD)
    assert silent.types() == []
    switched_off(silent)
    assert World(store, clock).types() == []


@pytest.mark.parametrize(
    ("unset", "kind", "wrong"),
    [
        ("JOBS_GIT_REPO_URL", "sync", {"fault": "fetch", "fault_count": 3}),
        ("JOBS_GIT_REPO_URL", "manifest", {"fault": "load", "fault_count": 1}),
    ],
)
def test_what_is_no_longer_configured_ends_with_that(
    store: Store, clock: ManualClock, unset: str, kind: str, wrong: dict[str, Any]
) -> None:
    world = World(store, clock)
    world.bundle(**wrong, failing_since=START, last_error="no route")
    assert len(world.types()) == 1
    after = World(store, clock, **{unset: ""})
    after.seen = world.seen
    [(type_, data)] = after.look()
    assert (type_, data["ended_by"]) == (f"{kind}.recovered", "unset")
    assert "JOBS_GIT_REPO_URL" in data["reason"]
    assert data["title"] == "The bundle is no longer watched: none is configured"


def test_a_disk_whose_bound_is_taken_away_ends_with_that(store: Store, clock: ManualClock) -> None:
    world = World(store, clock)
    assert world.types(free=1) == ["disk.low"]
    after = World(store, clock, SAURON_DISK_LOW_MB="0")
    after.seen = world.seen
    [(type_, data)] = after.look(free=1)
    assert (type_, data["ended_by"]) == ("disk.recovered", "unset")
