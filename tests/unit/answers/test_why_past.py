"""What happened at an instant that has passed: each answer, its run, and the cause in its sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.store import history, run_pruning
from tests.conftest import define
from tests.unit.answers.conftest import World


def test_an_occurrence_that_ran_names_its_run_and_its_times(world: World) -> None:
    define(world.store, world.clock, "j", "10 12 * * *", timezone="Europe/Berlin")
    define(world.store, world.clock, "k", "10 13 * * *", timezone="Europe/Berlin")
    world.until(12, 10, 2)
    run = world.begin()
    world.clock.move(seconds=75)
    world.end(run)
    found = world.why("k", "2026-03-02T13:10")
    assert (found["answer"], found["run"]) == ("ran", run.id)
    assert found["at"] == found["occurrence"] == "2026-03-02T12:10:00Z"
    assert run.id in found["sentence"]
    assert "2026-03-02 13:10 CET (12:10 UTC)" in found["sentence"]
    assert "succeeded" in found["sentence"]
    assert "took 1 min 15 s" in found["sentence"]
    assert "Next: 2026-03-03 13:10 CET" in found["sentence"]
    assert found["schedule"]["cron"] == "10 13 * * *"
    assert found["revision"] == "a" * 40
    times = [fact["at"] for fact in found["facts"]]
    assert times == sorted(times)
    assert [fact["at"] for fact in found["facts"] if "attempt 1 of 3 began" in fact["what"]] == [
        "2026-03-02T12:10:02Z"
    ]


def test_a_failure_says_its_error_and_what_to_do(world: World) -> None:
    define(world.store, world.clock, "j", "10 12 * * *")
    world.until(12, 10)
    run = world.begin()
    world.end(run, Verdict(Outcome.FAILED, error="disk full\nTraceback ..."))
    found = world.why("j", "2026-03-02T12:10")
    assert found["answer"] == "ran"
    assert "failed (disk full)" in found["sentence"]
    assert "Traceback" not in found["sentence"]
    assert f"`sauron logs {run.id}`" in found["sentence"]
    assert f"`sauron retry {run.id}`" in found["sentence"]


def test_a_skipped_occurrence_names_the_run_it_would_have_run_beside(world: World) -> None:
    define(world.store, world.clock, "j", "*/5 12 * * *", overlap="skip")
    world.until(12, 5)
    first = world.begin()
    world.until(12, 10)
    assert world.claim() is None
    still = world.why("j", "2026-03-02T12:10")
    assert still["answer"] == "skipped"
    assert first.id in still["sentence"]
    assert "is still not over" in still["sentence"]
    world.until(12, 12)
    world.end(first)
    over = world.why("j", "2026-03-02T12:10")
    assert f"because run {first.id} (the run of 2026-03-02 12:05 UTC) was not over until" in over["sentence"]
    assert "2026-03-02 12:12 UTC" in over["sentence"]
    assert over["run"] not in {None, first.id}


def test_an_occurrence_that_waited_for_a_run_says_why_it_was_late(world: World) -> None:
    define(world.store, world.clock, "j", "*/5 12 * * *", overlap="queue")
    world.until(12, 5)
    first = world.begin()
    world.until(12, 13)
    world.end(first)
    world.end(world.begin())
    assert f"3 min late because run {first.id}" in world.why("j", "2026-03-02T12:10")["sentence"]


@pytest.mark.parametrize("at", ["12:20", "12:30", "12:40"])
def test_an_instant_inside_a_gap_is_missed_with_that_instant(world: World, at: str) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *", catchup="latest")
    world.until(12, 15)
    world.clock.move(minutes=39)
    world.tick()  # 12:54: of 12:20 to 12:50 the newest is caught up
    found = world.why("j", f"2026-03-02T{at}")
    assert (found["answer"], found["occurrence"]) == ("missed", f"2026-03-02T{at}:00Z")
    assert "from 2026-03-02 12:15 UTC to 2026-03-02 12:54 UTC" in found["sentence"]
    assert "one of 3" in found["sentence"]
    assert "catchup=latest" in found["sentence"]
    caught_up = world.why("j", "2026-03-02T12:50")
    assert caught_up["answer"] == "queued"
    assert f"run {caught_up['run']}" in found["sentence"]
    assert world.why("j", "2026-03-02T12:25")["answer"] == "not_due"


def test_a_caught_up_run_says_how_late_it_was_and_since_when_sauron_was_down(world: World) -> None:
    define(world.store, world.clock, "j", "20 12 * * *", catchup="latest")
    world.until(12, 15)
    world.clock.move(minutes=39)
    world.tick()
    world.end(world.begin())
    found = world.why("j", "2026-03-02T12:20")
    assert found["answer"] == "ran"
    assert "34 min late because Sauron was not running from 2026-03-02 12:15 UTC" in found["sentence"]


def test_a_short_silence_that_cost_an_occurrence_is_known_too(world: World) -> None:
    define(world.store, world.clock, "j", "16 12 * * *", catchup="none")
    world.until(12, 15)
    world.clock.move(minutes=2, seconds=5)
    world.tick()
    found = world.why("j", "2026-03-02T12:16")
    assert found["answer"] == "missed"
    assert "from 2026-03-02 12:15 UTC to 2026-03-02 12:17:05 UTC" in found["sentence"]


def test_who_had_switched_it_off_is_known_long_after_it_is_on_again(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 15)
    until = world.clock.now() + timedelta(minutes=30)
    world.operations.disable("j", SwitchRequest(by="ann", reason="noisy", until=until))
    world.until(12, 57)
    found = world.why("j", "2026-03-02T12:30")
    assert found["answer"] == "disabled"
    assert found["enabled"] == {
        "by": "override",
        "enabled": False,
        "who": "ann",
        "reason": "noisy",
        "since": "2026-03-02T12:15:00Z",
        "until": "2026-03-02T12:45:00Z",
    }
    for said in ("ann disabled it", "(noisy)", "since 2026-03-02 12:15 UTC", "until 2026-03-02 12:45 UTC"):
        assert said in found["sentence"]
    assert world.why("j", "2026-03-02T12:10")["enabled"]["by"] == "git"
    assert world.why("j", "2026-03-02T12:50")["answer"] == "queued"


def test_a_row_that_was_queued_before_the_switch_tells_of_the_switch(world: World) -> None:
    define(world.store, world.clock, "j", "20 12 * * *", jitter_minutes=5)
    world.until(12, 19)
    world.clock.move(seconds=62)  # after its time and before its jitter is over
    world.operations.disable("j", SwitchRequest(by="ann"))
    world.until(12, 26)
    assert world.claim() is None
    found = world.why("j", "2026-03-02T12:20")
    assert found["answer"] == "disabled"
    assert found["run"] is not None
    assert "ann disabled it" in found["sentence"]


def test_the_schedule_that_was_in_force_then_decides(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 25)
    define(world.store, world.clock, "j", "5 * * * *")
    world.until(13, 7)
    assert world.why("j", "2026-03-02T12:20")["schedule"]["cron"] == "*/10 * * * *"
    assert world.why("j", "2026-03-02T12:20")["answer"] == "queued"
    then = world.why("j", "2026-03-02T12:05")
    assert then["answer"] == "not_due"
    assert "its schedule then was '*/10 * * * *'" in then["sentence"]
    assert "today it is '5 * * * *'" in then["sentence"]
    assert then["next"] == "2026-03-02T12:10:00Z"
    assert world.why("j", "2026-03-02T12:50")["answer"] == "not_due"


def test_a_run_by_hand_near_that_time_is_mentioned(world: World) -> None:
    define(world.store, world.clock, "j", "0 3 * * *")
    world.until(12, 15)
    run = world.operations.trigger("j", TriggerRequest(by="ann"))
    world.until(12, 40)
    found = world.why("j", "2026-03-02T12:20")
    assert found["answer"] == "not_due"
    assert f"Run {run.id} was asked for by ann at 2026-03-02 12:15 UTC" in found["sentence"]
    assert run.id not in world.why("j", "2026-03-02T15:00")["sentence"]


def test_a_run_that_was_cancelled_before_it_began_was_skipped(world: World) -> None:
    define(world.store, world.clock, "j", "20 12 * * *")
    world.until(12, 20)
    with world.store.read() as tx:
        [run] = history.runs(tx, job_id="j")
    world.operations.cancel(run.id, by="ann")
    found = world.why("j", "2026-03-02T12:20")
    assert found["answer"] == "skipped"
    assert "cancelled by ann" in found["sentence"]


def test_times_before_the_job_and_before_what_is_kept_are_told_apart(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    before = world.why("j", "2026-03-02T11:00")
    assert before["answer"] == "not_yet_defined"
    assert "was not defined yet" in before["sentence"]
    assert "at 2026-03-02 12:00:30 UTC" in before["sentence"]
    world.until(12, 45)
    while run := world.claim():
        world.end(run)
    world.clock.move(hours=1)
    with world.store.write() as tx:
        assert run_pruning.prune(tx, before=world.clock.now(), most=2)
    for at in ("12:10", "11:00"):
        pruned = world.why("j", f"2026-03-02T{at}")
        assert pruned["answer"] == "not_yet_defined"
        assert "is not kept" in pruned["sentence"]
    assert world.why("j", "2026-03-02T12:40")["answer"] != "not_yet_defined"


def test_a_row_that_is_lost_is_named_as_a_hole(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 25)
    with world.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM job_queue WHERE fire_at LIKE '2026-03-02T12:10%'")
    found = world.why("j", "2026-03-02T12:10")
    assert (found["answer"], found["run"]) == ("missed", None)
    assert "no run, skip or miss in the ledger" in found["sentence"]
    assert "`sauron audit`" in found["sentence"]


def test_of_a_store_from_before_the_standings_only_what_still_holds_is_known(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 15)
    world.operations.disable("j", SwitchRequest(by="ann"))
    world.until(12, 25)
    world.operations.enable("j", SwitchRequest(by="bob"))
    world.until(12, 35)
    world.operations.disable("j", SwitchRequest(by="eve"))
    world.until(12, 45)
    with world.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM standings")
    unknown = world.why("j", "2026-03-02T12:20")
    assert unknown["answer"] == "disabled"
    assert "not recorded" in unknown["sentence"]
    for at in ("2026-03-02T12:40", None):
        assert world.why("j", at)["enabled"]["who"] == "eve"
    assert world.why("j", "2026-03-02T12:29")["enabled"]["enabled"] is True


def test_a_zone_that_an_update_dropped_hides_no_answer(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *", timezone="Europe/Berlin")
    world.until(12, 15)
    with world.store.write() as tx:
        for table, column in (("jobs", "record"), ("periods", "timezone")):
            tx.exec_driver_sql(f"UPDATE {table} SET {column} = replace({column}, 'Berlin', 'Gone')")  # noqa: S608
        tx.exec_driver_sql("UPDATE jobs SET rejected = 'no such zone', definition_hash = 'other'")
    assert world.why("j")["answer"] == "rejected"
    assert world.why("j", "2026-03-02T12:10")["occurrence"] == "2026-03-02T12:10:00Z"


def test_a_skip_that_was_decided_a_moment_before_the_pause_by_its_own_clock_names_the_pause(
    world: World,
) -> None:
    define(world.store, world.clock, "j")
    world.clock.move(seconds=30.5)
    world.tick()
    world.operations.pause(SwitchRequest("an upgrade", by="ann"))
    world.clock.move(seconds=-0.005)  # the clock of the runner that looks is five milliseconds behind
    assert world.claim() is None
    world.clock.move(minutes=10)
    world.operations.unpause()
    world.operations.pause(SwitchRequest("another", by="bob"))
    found = world.why("j", "2026-03-02T12:01")
    assert found["answer"] == "paused"
    assert "because everything was paused by ann (an upgrade) since" in found["sentence"]
