"""What is asked of now and of instants to come: what is due, what it waits for, and what keeps it off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.model.runs import JobId, Outcome, Verdict
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.settings import Settings
from chalicelib.store import bundle, ledger, registry
from chalicelib.store.queue import chains
from tests.conftest import define
from tests.unit.answers.conftest import World


def test_an_occurrence_to_come_is_due_with_its_jitter(world: World) -> None:
    job = define(world.store, world.clock, "j", "0 3 * * *", jitter_minutes=30, timezone="Asia/Tokyo")
    world.tick()
    found = world.why("j", "2026-03-04T03:00")
    assert (found["answer"], found["occurrence"], found["run"]) == ("due", "2026-03-03T18:00:00Z", None)
    assert "2026-03-04 03:00 JST (2026-03-03 18:00 UTC), in 1 d 5 h" in found["sentence"]
    starts = job.spec.due_at(world.clock.now().replace(day=3, hour=18, minute=0, second=0))
    assert f"{starts + timedelta(hours=9):%Y-%m-%d %H:%M:%S} JST" in found["sentence"]
    assert "jitter" in found["sentence"]


def test_without_a_time_it_is_the_last_occurrence_and_what_comes_next(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.tick()
    first = world.why("j")
    assert (first["answer"], first["occurrence"]) == ("due", "2026-03-02T12:10:00Z")
    world.until(12, 10)
    world.end(world.begin())
    world.until(12, 15)
    found = world.why("j")
    assert (found["answer"], found["occurrence"]) == ("ran", "2026-03-02T12:10:00Z")
    assert found["at"] == "2026-03-02T12:15:00Z"
    assert "Next: 2026-03-02 12:20 UTC, in 5 min" in found["sentence"]


def test_of_a_job_that_is_off_it_is_the_cause_and_its_last_occurrence(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 10)
    run = world.begin()
    world.end(run)
    world.operations.disable("j", SwitchRequest(by="ann", reason="moving house"))
    found = world.why("j")
    assert (found["answer"], found["occurrence"], found["run"]) == (
        "disabled",
        "2026-03-02T12:10:00Z",
        run.id,
    )
    assert found["sentence"].startswith("Job j is off: ann disabled it (moving house)")
    assert "`sauron enable j`" in found["sentence"]
    define(world.store, world.clock, "git", "*/10 * * * *", enabled=False)
    by_git = world.why("git")
    assert (by_git["answer"], by_git["enabled"]["by"]) == ("disabled", "git")
    assert "git has enabled=False" in by_git["sentence"]


def test_an_override_that_ends_before_the_asked_instant_is_foreseen(world: World) -> None:
    define(world.store, world.clock, "on", "0 * * * *")
    define(world.store, world.clock, "off", "0 * * * *", enabled=False)
    until = world.clock.now().replace(hour=15, minute=0, second=0)
    world.operations.disable("on", SwitchRequest(by="ann", until=until))
    world.operations.enable("off", SwitchRequest(by="bob", until=until))
    world.tick()
    assert world.why("on", "2026-03-02T15:00")["answer"] == "disabled"  # the override holds up to its end
    later = world.why("on", "2026-03-02T16:00")
    assert (later["answer"], later["enabled"]["by"]) == ("due", "git")
    assert "off until 2026-03-02 15:00 UTC, by ann" in later["sentence"]
    assert world.why("off", "2026-03-02T15:00")["answer"] == "due"
    gone = world.why("off", "2026-03-02T16:00")
    assert (gone["answer"], gone["enabled"]["by"]) == ("disabled", "git")
    assert "bob enabled it only until 2026-03-02 15:00 UTC" in gone["sentence"]
    assert world.why("on", "2026-03-02T14:30")["next"] == "2026-03-02T16:00:00Z"


@pytest.mark.parametrize(
    ("overlap", "then"), [("skip", "this one is skipped"), ("queue", "this one waits"), ("allow", None)]
)
def test_what_goes_on_now_may_be_in_the_way_of_the_next(world: World, overlap: str, then: str | None) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *", overlap=overlap)
    world.until(12, 10)
    run = world.begin()
    said = world.why("j", "2026-03-02T12:20")["sentence"]
    assert (f"If run {run.id} is not over then, {then}" in said) is (then is not None)
    assert run.id not in world.why("j", "2026-03-02T12:30")["sentence"]


def test_running_and_waiting_for_the_next_attempt(world: World) -> None:
    define(world.store, world.clock, "j", "10 12 * * *")
    world.until(12, 10)
    run = world.begin()
    world.clock.move(seconds=20)
    running = world.why("j", "2026-03-02T12:10")
    assert (running["answer"], running["run"]) == ("running", run.id)
    assert "since 2026-03-02 12:10 UTC (20 s)" in running["sentence"]
    world.end(run, Verdict(Outcome.FAILED, error="no route"), retry_in=timedelta(minutes=5))
    waits = world.why("j", "2026-03-02T12:10")
    assert waits["answer"] == "queued"
    assert (
        "attempt 1 of 3 failed (no route), and the next attempt begins at 2026-03-02 12:15:20 UTC"
        in (waits["sentence"])
    )
    world.operations.disable("j", SwitchRequest(by="ann"))
    assert "not tried again, because the job is disabled" in world.why("j", "2026-03-02T12:10")["sentence"]


def test_what_is_due_says_what_it_waits_for(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 12 * * *", overlap="queue")
    define(world.store, world.clock, "other", "5 12 * * *")
    world.until(12, 5)
    busy = world.begin()
    world.until(12, 10)

    def waits_for(at: str = "12:10", **settings: str) -> str:
        world.settings = Settings.read(settings)
        found = world.why("j", f"2026-03-02T{at}")
        assert found["answer"] == "queued"
        said: str = found["sentence"]
        return said

    assert "no runner is alive" in waits_for()
    assert "JOB_QUEUE_ENABLED is 0" in waits_for(JOB_QUEUE_ENABLED="0")
    assert "JOB_QUEUE_ENABLED is 0" in world.why("j", "2026-03-02T12:40")["sentence"]
    world.join(draining=True)
    assert "every runner is drained (runner-1). It starts after `sauron resume runner-1`" in waits_for()
    world.join()
    assert "a worker takes it in a moment" in waits_for()
    assert "the one worker is busy, with 0 due runs before it" in waits_for(SAURON_WORKERS="1")
    world.end(busy)
    first = world.begin()
    world.until(12, 20)
    world.join()
    assert f"it waits for run {first.id} of this job, which is running (overlap=queue)" in waits_for("12:20")
    world.clock.move(minutes=4)
    assert "Sauron is not running: its last tick was at 2026-03-02 12:20 UTC" in waits_for("12:20")


@pytest.mark.parametrize(("catchup", "answer"), [("latest", "due"), ("none", "missed")])
def test_while_sauron_is_down_it_says_what_it_will_do_when_it_is_back(
    world: World, catchup: str, answer: str
) -> None:
    define(world.store, world.clock, "j", "*/30 * * * *", catchup=catchup)
    world.until(12, 15)
    world.clock.move(minutes=20)
    for at in ("2026-03-02T12:30", None):
        found = world.why("j", at)
        assert (found["answer"], found["occurrence"]) == (answer, "2026-03-02T12:30:00Z")
        assert "its last tick was at 2026-03-02 12:15 UTC" in found["sentence"]
        assert "`sauron serve`" in found["sentence"]
    world.tick()
    assert world.why("j", "2026-03-02T12:30")["answer"] == ("queued" if answer == "due" else "missed")


def test_a_rejected_definition_is_named_for_its_time_and_for_what_is_to_come(world: World) -> None:
    job = define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 10)
    world.begin()
    world.until(12, 15)
    with world.store.write() as tx:
        ledger.reject(tx, job, "cron has 4 fields", now=world.clock.now(), revision="b" * 40)
    world.until(12, 21)
    assert world.claim() is None  # that of 12:20 is recorded as missed
    for at in ("2026-03-02T12:20", "2026-03-02T13:00", None):
        found = world.why("j", at)
        assert found["answer"] == "rejected"
        assert "cron has 4 fields" in found["sentence"]
        assert f"revision {'b' * 12}" in found["sentence"]
    assert world.why("j", "2026-03-02T12:10")["answer"] == "running"


def test_a_removed_job_says_when_and_which_revision(world: World) -> None:
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 10)
    world.end(world.begin())
    world.until(12, 15)
    with world.store.write() as tx:
        job = registry.job(tx, "j")
        assert job
        bundle.add_revision(
            tx, "c" * 40, [], [], subject="Drop the old report", author="Ann", now=world.clock.now()
        )
        ledger.retire(tx, job, now=world.clock.now(), revision="c" * 40)
    world.until(12, 21)
    for at in ("2026-03-02T12:20", "2026-03-04T03:00", None):
        found = world.why("j", at)
        assert found["answer"] == "removed"
        assert "at 2026-03-02 12:15 UTC" in found["sentence"]
        assert f'revision {"c" * 12} ("Drop the old report", by Ann)' in found["sentence"]
    assert world.why("j", "2026-03-02T12:10")["answer"] == "ran"
    define(world.store, world.clock, "j", "*/10 * * * *")
    world.until(12, 32)
    assert world.why("j", "2026-03-02T12:20")["answer"] == "removed"
    assert world.why("j", "2026-03-02T12:30")["answer"] == "queued"


def test_a_renamed_job_keeps_its_past_and_says_its_earlier_name(world: World) -> None:
    job = define(world.store, world.clock, "old", "*/10 * * * *")
    world.until(12, 15)
    with world.store.write() as tx:
        ledger.rename(tx, job, JobId("new"), now=world.clock.now())
    define(world.store, world.clock, "new", "*/10 * * * *", renamed_from="old")
    world.until(12, 21)
    before = world.why("new", "2026-03-02T12:10")
    assert before["answer"] == "queued"
    assert "It was called old then" in before["sentence"]
    assert any(fact["what"] == "renamed from old" for fact in world.why("new")["facts"])
    with pytest.raises(Exception, match=r"There is no job 'old'. Did you mean new\?"):
        world.why("old")


def test_a_held_removal_is_said_of_the_jobs_that_it_names(world: World) -> None:
    for name in ("gone", "kept"):
        define(world.store, world.clock, name, "0 * * * *")
    world.tick()
    with world.store.write() as tx:
        bundle.change(
            tx, fault="held", last_error="Revision abc would remove 1 of 1 jobs (gone), so it was not"
        )
    assert "held back: Revision abc would remove" in world.why("gone", "2026-03-02T15:00")["sentence"]
    assert "held back" not in world.why("kept", "2026-03-02T15:00")["sentence"]


def test_a_job_whose_only_definition_was_rejected_is_no_unknown_one(world: World) -> None:
    define(world.store, world.clock, "backup", "0 * * * *")
    refused = [{"job_id": "new", "place": "manifest.py:7", "reason": "cron has 4 fields."}]
    with world.store.write() as tx:
        bundle.add_revision(tx, "d" * 40, [], refused, subject=None, author=None, now=world.clock.now())
        bundle.change(tx, active_sha="d" * 40)
    found = world.why("new")
    assert (found["answer"], found["revision"]) == ("rejected", "d" * 40)
    assert "manifest.py:7" in found["sentence"]
    assert "cron has 4 fields" in found["sentence"]
    with pytest.raises(Exception, match=r"Did you mean backup\?"):
        world.why("bakup")
    with pytest.raises(Exception, match=r"Did you mean new\?"):
        world.why("neww")


def test_a_trigger_since_the_last_occurrence_is_told(world: World) -> None:
    define(world.store, world.clock, "j", "10 12 * * *")
    world.until(12, 10)
    world.end(world.begin())
    world.until(14, 0)
    run = world.operations.trigger("j", TriggerRequest(by="ann"))
    assert f"Run {run.id} was asked for by ann" in world.why("j")["sentence"]


def test_a_job_of_a_chain_that_ran_is_not_called_disabled(world: World) -> None:
    define(world.store, world.clock, "first", "10 12 * * *")
    define(world.store, world.clock, "next", "", after=["first"])
    world.until(12, 10)
    world.end(world.begin())
    with world.store.write() as tx:
        chains.flow(tx, now=world.clock.now())
    world.end(world.begin())
    found = world.why("next")
    assert (found["answer"], found["enabled"]["enabled"]) == ("ran", True)
    assert found["schedule"] == {"cron": "", "timezone": "UTC", "text": "after first"}
    assert "Next: when a run of first has ended well." in found["sentence"]
    assert "disabled" not in found["sentence"]
    world.until(13, 0)
    parent = world.operations.trigger("first", TriggerRequest(by="ann"))
    world.end(world.begin())
    with world.store.write() as tx:
        chains.flow(tx, now=world.clock.now())
    child = world.begin()
    world.end(child)
    said = world.why("next")["sentence"]
    assert f"Run {child.id} followed run {parent.id} of first at 2026-03-02 13:00 UTC" in said
    assert "hand" not in said
    world.operations.disable("next", SwitchRequest())
    assert "`sauron enable next`" in world.why("next")["sentence"]
