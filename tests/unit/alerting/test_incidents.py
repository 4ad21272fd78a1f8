"""A job is failing from its last allowed failure to its next good run."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.model.runs import JobId, Outcome, RunState, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.store import Store, ledger, log_chunks, registry
from chalicelib.store import incidents as table
from tests.conftest import ManualClock, define

from .conftest import BAD, GOOD, SLOW, YEARLY, World

pytestmark = pytest.mark.every_store


def test_a_job_is_failing_from_the_first_final_failure_and_people_hear_why(world: World) -> None:
    define(world.store, world.clock, "backup", YEARLY)
    run = world.end("backup", BAD, wrote="x" * 3000 + "the last words")
    [(type_, data)] = world.look("backup")
    assert type_ == "job.failing"
    assert (data["job_id"], data["run_id"], data["subject"], data["kind"]) == (
        "backup",
        run.id,
        "backup",
        "failing",
    )
    assert (data["reason"], data["state"], data["failures_in_row"]) == ("no route to host", "failed", 1)
    assert data["title"] == "backup is failing"
    assert data["link"] == f"https://sauron.test/ui/runs/{run.id}"
    assert data["log_tail"].endswith("xthe last words")
    assert len(data["log_tail"]) == 2000
    assert (data["scheduler"], data["reminder"], data["down_seconds"]) == ("sauron", False, None)


def test_the_end_of_a_log_holds_more_than_the_states_of_a_progress_bar(world: World) -> None:
    define(world.store, world.clock, "backup", YEARLY)
    bar = "".join(f"\r{number:4} of 4309 [{'=' * 60}]" for number in range(4310))
    run = world.end("backup", BAD, wrote=f"copying\n{bar}\n\x1b[31mdisk full\x1b[0m\n")
    [(_, data)] = world.look("backup")
    assert data["log_tail"] == f"copying\n4309 of 4309 [{'=' * 60}]\ndisk full\n"
    with world.store.read() as tx:
        assert "".join(log_chunks.newest_first(tx, run.id)).count("\r") == 4310  # as it was written


def test_the_same_state_is_told_once_however_often_it_is_looked_at(world: World) -> None:
    define(world.store, world.clock, "backup", YEARLY)
    world.end("backup", BAD)
    assert world.types("backup") == ["job.failing"]
    assert world.types("backup") == world.types() == []
    world.end("backup", BAD)
    assert world.types("backup") == world.types() == []


def test_alert_after_three_is_told_at_the_third_failure_in_a_row(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY, alert_after=3)
    for verdict in (BAD, BAD, GOOD, BAD, SLOW):
        world.end("j", verdict)
        assert world.types("j") == world.types() == []
    world.end("j", BAD)
    [(type_, data)] = world.look()
    assert (type_, data["failures_in_row"]) == ("job.failing", 3)


def test_a_timed_out_run_says_so(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", SLOW)
    [(type_, data)] = world.look("j")
    assert (type_, data["state"], data["title"]) == ("job.failing", "timed_out", "j timed out")


def test_a_run_that_is_tried_again_is_not_told(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD, retry=True)
    assert world.types("j") == world.types() == []


@pytest.mark.parametrize("verdict", [GOOD, Verdict(Outcome.DEGRADED)])
def test_a_recovered_job_says_how_long_it_was_down(world: World, verdict: Verdict) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types("j") == ["job.failing"]
    world.clock.move(hours=2, seconds=-1)
    run = world.end("j", verdict)
    [(type_, data)] = world.look("j")
    assert (type_, data["down_seconds"], data["run_id"], data["job_id"]) == (
        "job.recovered",
        7200,
        run.id,
        "j",
    )
    assert "no route to host" in data["reason"]
    assert world.open() == []
    assert world.types() == []


def test_cancelled_skipped_and_missed_runs_are_neither_failure_nor_success(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY, alert_after=2)
    world.end("j", BAD)
    world.end("j", Verdict(Outcome.CANCELLED, "cancelled"))
    world.put("j", RunState.SKIPPED)
    assert world.types("j") == []
    world.end("j", BAD)
    assert world.types("j") == ["job.failing"]
    world.end("j", Verdict(Outcome.CANCELLED, "cancelled"))
    assert world.types("j") == []


def test_a_job_that_flaps_tells_every_change_once(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    told = []
    for verdict in (BAD, GOOD, BAD, BAD, GOOD, GOOD, BAD):
        world.end("j", verdict)
        told += world.types("j") + world.types()
    assert told == ["job.failing", "job.recovered", "job.failing", "job.recovered", "job.failing"]


def test_a_disabled_job_is_silent(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)
    Operations(world.store, world.clock).disable("j")
    assert world.types("j") == world.types() == []
    Operations(world.store, world.clock).enable("j")
    world.end("j", BAD)
    assert world.types("j") == ["job.failing"]
    Operations(world.store, world.clock).disable("j")
    assert world.types() == ["job.recovered"]  # for whoever was told, with the reason
    assert world.open() == []
    assert world.types("j") == world.types() == []


@pytest.mark.slow
def test_people_are_reminded_once_a_day_while_it_lasts(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types() == ["job.failing"]
    told: list[Any] = []
    for _ in range(3 * 24):
        world.clock.move(hours=1)
        told += world.look()
    assert [type_ for type_, _ in told] == ["job.failing"] * 3
    assert all(data["reminder"] for _, data in told)
    assert told[0][1]["title"] == "j is still failing"
    assert told[0][1]["reason"] == "no route to host"


def test_what_ended_while_nobody_looked_is_found_by_the_next_pass(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    assert world.types() == []
    world.end("j", BAD)
    world.clock.move(hours=9)
    assert world.types() == ["job.failing"]


def test_a_secret_is_not_told(store: Store, clock: ManualClock) -> None:
    world = World(store, clock, GITHUB_TOKEN="ghp_verysecret")
    define(store, clock, "j", YEARLY)
    world.end("j", Verdict(Outcome.FAILED, "refused ghp_verysecret"), wrote="using ghp_verysecret\x00\n")
    [(_, data)] = world.look("j")
    assert "verysecret" not in str(data)
    with store.read() as tx:
        assert "verysecret" not in str(table.open_incidents(tx))


def test_without_a_channel_incidents_are_kept_and_no_alert_waits(store: Store, clock: ManualClock) -> None:
    world = World(store, clock, SAURON_ALERT_WEBHOOK_URL="")
    define(store, clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types("j") == []
    assert world.open() == [("j", "failing")]


def test_every_configured_channel_gets_its_own_alert(store: Store, clock: ManualClock) -> None:
    mail = {"ALERT_EMAIL": "ops@x.test", "FROM_EMAIL": "s@x.test", "AWS_SES_ACCESS_KEY_ID": "A" * 16}
    world = World(store, clock, AWS_SES_SECRET_ACCESS_KEY="s" * 16, **mail)
    define(store, clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types("j") == ["job.failing", "job.failing"]


def test_switching_a_job_off_and_on_does_not_tell_an_old_failure_again(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types("j") == ["job.failing"]
    told = []
    for _ in range(3):
        for enabled in (False, True):
            world.clock.move(minutes=1)
            Operations(world.store, world.clock)._switch("j", SwitchRequest(), enabled=enabled)
            told += world.types("j") + world.types()
    assert told == ["job.recovered"]
    world.end("j", BAD)
    assert world.types("j") == ["job.failing"]


def test_what_began_while_nobody_could_be_told_is_told_once_somebody_can(
    store: Store, clock: ManualClock
) -> None:
    silent = World(store, clock, ALERT_EMAIL="", SAURON_ALERT_WEBHOOK_URL="")
    for job_id in ("j", "k"):
        define(store, clock, job_id, YEARLY)
        silent.end(job_id, BAD)
    assert silent.types() == []
    assert silent.open() == [("j", "failing"), ("k", "failing")]
    silent.end("k", GOOD)
    heard = World(store, clock)
    [(type_, data), *rest] = heard.look()
    assert (type_, data["job_id"], data["reminder"]) == ("job.failing", "j", False)
    assert rest == []  # of k nobody ever heard, so nobody need hear that it is right again
    assert heard.types() == []
    heard.end("j", GOOD)
    assert heard.types() == ["job.recovered"]


def test_a_renamed_job_keeps_its_incident(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types() == ["job.failing"]
    with world.store.write() as tx:
        job = registry.job(tx, "j")
        assert job
        ledger.rename(tx, job, JobId("j2"), now=world.clock.now())
        table.rename(tx, "j", "j2")
    assert world.types() == []
    assert world.open() == [("j2", "failing")]
