"""What is foreseen of the next 24 hours: each fate once, and what is listed, folded, cut and paged."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from chalicelib.answers import agenda, fates
from chalicelib.answers.agenda import Line
from chalicelib.answers.fates import Fate
from chalicelib.answers.foreseen import Foresight, foresee
from chalicelib.model.jobs import Override
from chalicelib.model.runs import JobId, RunState
from chalicelib.settings import Settings
from chalicelib.store import Store, history, ledger, registry, runners
from chalicelib.store.queue import pauses
from chalicelib.store.queue.pauses import Pause
from chalicelib.store.runners import Runner
from chalicelib.store.schema import jobs
from tests.conftest import START, ManualClock, define
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store
NOON = START.replace(second=0)  # the clock is at 12:00:30


def seen_now(store: Store, clock: ManualClock, *, most: int = 5_000, **environ: str) -> Foresight:
    settings = Settings.read({"SAURON_WORKERS": "1"} | environ)
    with store.read() as tx:
        return foresee(tx, settings, now=clock.now(), most=most)


def lines(seen: Foresight, *, most: int = 50) -> list[Line]:
    return agenda.lines_after(seen, (seen.now, JobId("")), lambda _: True, most=most).lines


def told(seen: Foresight) -> dict[str, Any]:
    """What is foreseen of each line: job and hour, with the fate and the minutes waited."""
    return {
        f"{one.job_id} {one.at:%H:%M}": (
            one.fate,
            None if one.longest is None else one.longest / timedelta(minutes=1),
        )
        for one in lines(seen)
    }


def took(store: Store, job_id: str, minutes: float) -> None:
    """Let a job have had a good run, yesterday."""
    record(store, job_id, RunState.SUCCEEDED, NOON - timedelta(days=1), seconds=minutes * 60)


def test_an_occurrence_waits_for_the_run_that_has_its_worker(store: Store, clock: ManualClock) -> None:
    define(store, clock, "first", "0 13 * * *", priority=1)
    define(store, clock, "second", "0 13 * * *")
    took(store, "first", 4)
    seen = seen_now(store, clock)
    assert told(seen) == {"first 13:00": (Fate.STARTS, 0), "second 13:00": (Fate.WORKER, 4)}
    (waits,) = [one.run for one in lines(seen) if one.fate is Fate.WORKER]
    assert waits is not None
    assert waits.let_in_by is not None
    assert waits.let_in_by.job.job_id == "first"
    assert told(seen_now(store, clock, SAURON_WORKERS="2"))["second 13:00"] == (Fate.STARTS, 0)


def test_a_wait_below_a_minute_is_not_told(store: Store, clock: ManualClock) -> None:
    define(store, clock, "first", "0 13 * * *", priority=1)
    define(store, clock, "second", "0 13 * * *")
    took(store, "first", 59 / 60)
    assert told(seen_now(store, clock))["second 13:00"] == (Fate.STARTS, 0)


def test_an_occurrence_waits_for_a_place_in_its_pool(store: Store, clock: ManualClock) -> None:
    define(store, clock, "first", "0 13 * * *", pool="db", priority=1)
    define(store, clock, "second", "0 13 * * *", pool="db")
    took(store, "first", 3)
    seen = seen_now(store, clock, SAURON_WORKERS="8")
    assert told(seen)["second 13:00"] == (Fate.POOL, 3)
    assert told(seen_now(store, clock, SAURON_WORKERS="8", SAURON_POOLS="db:2"))["second 13:00"] == (
        Fate.STARTS,
        0,
    )


@pytest.mark.parametrize(
    ("overlap", "first", "second"),
    [
        ("queue", (Fate.STARTS, 0), (Fate.OWN, 2)),
        ("skip", (Fate.STARTS, 0), (Fate.SKIPPED, 0)),
        ("replace", (Fate.ENDED, 0), (Fate.STARTS, 0)),
        ("allow", (Fate.STARTS, 0), (Fate.STARTS, 0)),
    ],
)
def test_what_an_occurrence_does_beside_the_one_before_it(
    store: Store, clock: ManualClock, overlap: str, first: Any, second: Any
) -> None:
    define(store, clock, "a", "0,5 13 * * *", overlap=overlap)
    took(store, "a", 7)
    found = told(seen_now(store, clock, SAURON_WORKERS="8"))
    assert found == {"a 13:00": first, "a 13:05": second}


def test_a_newer_occurrence_takes_the_place_of_one_that_could_not_start(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "long", "0 13 * * *", priority=1)
    define(store, clock, "a", "0,5 13 * * *", overlap="replace")
    took(store, "long", 7)
    found = told(seen_now(store, clock))
    assert found["a 13:00"] == (Fate.REPLACED, 0)
    assert found["a 13:05"] == (Fate.WORKER, 2)


def test_a_run_in_progress_ends_after_its_usual_time(store: Store, clock: ManualClock) -> None:
    define(store, clock, "busy", "0 11 * * *")
    define(store, clock, "a", "5 12 * * *")
    took(store, "busy", 10)
    running = record(store, "busy", RunState.RUNNING, NOON - timedelta(minutes=2))
    seen = seen_now(store, clock)
    assert told(seen)["a 12:05"] == (Fate.WORKER, 3)  # from 11:58 to 12:08
    (waits,) = [one.run for one in lines(seen) if one.job_id == "a"]
    assert waits is not None
    assert waits.let_in_by is not None
    assert waits.let_in_by.stored == running


def test_the_end_of_a_run_that_is_slower_than_usual_is_not_known(store: Store, clock: ManualClock) -> None:
    define(store, clock, "busy", "0 11 * * *", timeout_seconds=3600)
    for minute in (5, 20):
        define(store, clock, f"at-{minute}", f"{minute} 12 * * *")
    took(store, "busy", 1)
    record(store, "busy", RunState.RUNNING, NOON - timedelta(minutes=9, seconds=30))  # ten minutes ago
    found = told(seen_now(store, clock))
    assert found["at-5 12:05"] == (Fate.WORKER, None)
    assert found["at-20 12:20"] == (Fate.STARTS, 0)  # it is taken to go on for ten minutes more


def test_a_slow_run_is_not_taken_to_go_on_beyond_its_limit(store: Store, clock: ManualClock) -> None:
    define(store, clock, "busy", "0 11 * * *", timeout_seconds=11 * 60)
    define(store, clock, "a", "5 12 * * *")
    record(store, "busy", RunState.RUNNING, NOON - timedelta(minutes=9, seconds=30))
    assert told(seen_now(store, clock))["a 12:05"] == (Fate.STARTS, 0)  # the limit is at 12:01:30


def test_a_run_of_a_job_that_left_has_its_worker_all_the_same(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "5 12 * * *")
    record(store, "gone-long-ago", RunState.RUNNING, NOON - timedelta(minutes=9, seconds=30))
    assert told(seen_now(store, clock))["a 12:05"] == (Fate.WORKER, None)


def test_what_waits_now_is_run_first(store: Store, clock: ManualClock) -> None:
    define(store, clock, "waits", "0 11 * * *")
    define(store, clock, "a", "5 12 * * *")
    took(store, "waits", 10)
    record(store, "waits", RunState.QUEUED, NOON, origin="trigger", fire_at=None)
    seen = seen_now(store, clock)
    assert told(seen)["a 12:05"][0] is Fate.WORKER
    assert [one.job_id for one in lines(seen)] == ["a", "waits"]  # tomorrow's; that of now is none to come


@pytest.mark.parametrize(
    ("asked", "then"),
    [({}, Fate.STARTS), ({"attempt": 1}, Fate.STARTS), ({"origin": "trigger", "fire_at": None}, Fate.WORKER)],
)
def test_of_a_job_that_is_off_only_what_a_person_asked_for_starts(
    store: Store, clock: ManualClock, asked: dict[str, Any], then: Fate
) -> None:
    define(store, clock, "a", "0 11 * * *", enabled=False)
    define(store, clock, "b", "5 12 * * *")
    took(store, "a", 10)
    record(store, "a", RunState.QUEUED, NOON, **asked)
    assert told(seen_now(store, clock))["b 12:05"][0] is then


def test_a_late_occurrence_waits_for_the_run_before_it_and_is_not_skipped(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a", "0 11 * * *")
    define(store, clock, "b", "10 12 * * *")
    took(store, "a", 10)
    record(store, "a", RunState.RUNNING, NOON - timedelta(minutes=2))
    record(store, "a", RunState.QUEUED, NOON - timedelta(minutes=1), origin="catchup")
    assert told(seen_now(store, clock))["b 12:10"] == (Fate.WORKER, 8)  # from 12:08 to 12:18


def test_a_forced_run_starts_beside_another_of_its_job(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 11 * * *")
    define(store, clock, "b", "5 12 * * *")
    took(store, "a", 10)
    record(store, "a", RunState.RUNNING, NOON - timedelta(minutes=2))
    record(store, "a", RunState.QUEUED, NOON, origin="trigger", fire_at=None, force=True)
    assert told(seen_now(store, clock, SAURON_WORKERS="2"))["b 12:05"] == (Fate.WORKER, 3)


@pytest.mark.parametrize(
    ("before", "error_type", "then"),
    [
        ("skipped", None, Fate.WORKER),
        ("failed", "interrupted", Fate.WORKER),  # it is not known since when it was over
        ("failed", "ValueError", Fate.STARTS),
        ("succeeded", None, Fate.STARTS),
    ],
)
def test_an_occurrence_that_waits_is_skipped_if_a_run_was_not_over_at_its_time(
    store: Store, clock: ManualClock, before: str, error_type: str | None, then: Fate
) -> None:
    define(store, clock, "a", "0 11 * * *")
    define(store, clock, "b", "5 12 * * *")
    took(store, "a", 10)
    over = NOON + timedelta(seconds=10)
    record(store, "a", RunState(before), NOON - timedelta(minutes=1), finished_at=over, error_type=error_type)
    record(store, "a", RunState.QUEUED, NOON)
    assert told(seen_now(store, clock))["b 12:05"][0] is then


def test_what_a_person_asked_for_replaces_no_occurrence(store: Store, clock: ManualClock) -> None:
    define(store, clock, "long", "0 11 * * *", timeout_seconds=7200)
    define(store, clock, "a", "5 12 * * *", overlap="replace")
    took(store, "long", 30)
    record(store, "long", RunState.RUNNING, NOON - timedelta(minutes=10))
    record(store, "a", RunState.QUEUED, NOON + timedelta(minutes=10), origin="trigger", fire_at=None)
    assert told(seen_now(store, clock))["a 12:05"] == (Fate.WORKER, 15)


def test_an_occurrence_that_a_tick_queued_ahead_is_one_and_not_two(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "1 12 * * *")
    took(store, "a", 5)
    with store.read() as tx:
        (queued,) = history.runs(tx, job_id="a", states=[RunState.QUEUED])
    assert queued.fire_at == NOON + timedelta(minutes=1)
    assert told(seen_now(store, clock)) == {"a 12:01": (Fate.STARTS, 0)}


def test_a_job_that_is_off_has_its_occurrences_with_that_fate_until_it_is_on(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "git", "0 * * * *", enabled=False)
    define(store, clock, "person", "0 * * * *")
    switch = Override(False, "moving house", "ada", clock.now(), NOON + timedelta(hours=3))
    with store.write() as tx:
        registry.set_override(tx, "person", switch)
        ledger.switch(tx, _job(tx, "person"), enabled=False, at=clock.now(), now=clock.now())
    found = [(one.job_id, one.at.hour, one.fate, one.count) for one in lines(seen_now(store, clock))]
    assert found == [
        ("git", 13, Fate.OFF, 24),
        ("person", 13, Fate.OFF, 3),  # it is on after 15:00, so not at 15:00
        ("person", 16, Fate.STARTS, 21),
    ]


def test_while_all_is_paused_nothing_runs_and_what_was_asked_for_waits(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a", "0 13,15 * * *")
    define(store, clock, "after-a", "", after=["a"])
    define(store, clock, "asked", "0 11 * * *")
    took(store, "asked", 90)
    record(store, "asked", RunState.QUEUED, NOON, origin="trigger", fire_at=None)
    with store.write() as tx:
        pauses.begin(tx, Pause(clock.now(), NOON + timedelta(hours=2), "ada", "network"))
    seen = seen_now(store, clock)
    assert told(seen) == {
        "a 13:00": (Fate.PAUSED, 0),
        "after-a 13:00": (Fate.PARENT, 0),
        "a 15:00": (Fate.WORKER, 30),  # behind what waits until 14:00
        "after-a 15:30": (Fate.STARTS, 0),
        "asked 11:00": (Fate.STARTS, 0),
    }


@pytest.mark.parametrize("most", [5_000, 1])
def test_a_rejected_job_is_that_while_all_is_paused_as_well(
    store: Store, clock: ManualClock, most: int
) -> None:
    define(store, clock, "bad", "0 13,14 * * *")
    with store.write() as tx:
        ledger.reject(tx, _job(tx, "bad"), "write 0 to 23", now=clock.now())
        pauses.begin(tx, Pause(clock.now(), None, "ada", None))
    assert {fate for fate, _ in told(seen_now(store, clock, most=most)).values()} == {Fate.REJECTED}


@pytest.mark.parametrize(("owner", "waits"), [("drained", 0), ("claims", 5)])
def test_a_run_of_a_drained_runner_takes_no_worker_of_another(
    store: Store, clock: ManualClock, owner: str, waits: int
) -> None:
    define(store, clock, "long", "0 11 * * *", timeout_seconds=7200)
    define(store, clock, "a", "5 12 * * *")
    took(store, "long", 20)
    record(store, "long", RunState.RUNNING, NOON - timedelta(minutes=10), lease_owner=owner)
    with store.write() as tx:
        for name in ("drained", "claims"):
            runners.runner_seen(tx, Runner(name, "h", 1, "3.0.0", clock.now(), clock.now()))
        assert runners.drain(tx, "drained", draining=True)
    expected = (Fate.WORKER, waits) if waits else (Fate.STARTS, 0)
    assert told(seen_now(store, clock))["a 12:05"] == expected


def test_jobs_that_are_rejected_or_left_today_have_theirs_and_one_that_left_before_has_none(
    store: Store, clock: ManualClock
) -> None:
    for name in ("bad", "left", "left-long-ago"):
        define(store, clock, name, "0 13 * * *")
    define(store, clock, "after-bad", "", after=["bad"])
    with store.write() as tx:
        ledger.reject(tx, _job(tx, "bad"), "write 0 to 23", now=clock.now())
        ledger.retire(tx, _job(tx, "left"), now=clock.now() - timedelta(hours=23))
        ledger.retire(tx, _job(tx, "left-long-ago"), now=clock.now() - timedelta(hours=25))
    assert told(seen_now(store, clock)) == {
        "bad 13:00": (Fate.REJECTED, 0),
        "after-bad 13:00": (Fate.PARENT, 0),
        "left 13:00": (Fate.REMOVED, 0),
    }


def test_a_job_that_follows_stands_where_its_parent_ends(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 13 * * *")
    define(store, clock, "b", "", after=["a"])
    took(store, "a", 5)
    assert told(seen_now(store, clock)) == {"a 13:00": (Fate.STARTS, 0), "b 13:05": (Fate.STARTS, 0)}


def test_a_job_that_follows_and_is_off_does_not_run(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 13 * * *")
    define(store, clock, "b", "", after=["a"], enabled=False)
    for most in (0, 5_000):
        found = told(seen_now(store, clock, most=most))
        assert found[next(one for one in found if one.startswith("b "))] == (Fate.OFF, 0)


def test_a_job_that_follows_a_run_in_progress_is_foreseen_too(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 11 * * *")
    define(store, clock, "b", "", after=["a"])
    took(store, "a", 10)
    record(store, "a", RunState.RUNNING, NOON - timedelta(minutes=2))
    assert "b 12:08" in told(seen_now(store, clock))


def test_what_a_run_in_progress_does_not_lead_on_to_is_not_foreseen(store: Store, clock: ManualClock) -> None:
    for name in ("a", "b", "alone"):
        define(store, clock, name, "0 11 * * *")
        took(store, name, 10)
    define(store, clock, "both", "", after=["a", "b"])  # whether b ended well before is not looked at
    define(store, clock, "after-alone", "", after=["alone"])
    record(store, "a", RunState.RUNNING, NOON - timedelta(minutes=2))
    record(store, "alone", RunState.RUNNING, NOON - timedelta(minutes=2), flows=False)
    today = [one.job_id for one in lines(seen_now(store, clock)) if one.at < NOON + timedelta(hours=20)]
    assert today == []


def test_while_nothing_is_started_everything_waits(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 13 * * *")
    assert told(seen_now(store, clock, JOB_QUEUE_ENABLED="0")) == {"a 13:00": (Fate.WORKER, None)}
    runner = Runner("r", "h", 1, "3.0.0", clock.now(), clock.now())
    with store.write() as tx:
        runners.runner_seen(tx, runner)
        assert runners.drain(tx, "r", draining=True)
    assert seen_now(store, clock).workers == 0


def test_only_so_many_are_simulated_and_of_the_others_the_schedule_is_known(
    store: Store, clock: ManualClock
) -> None:
    for name in ("a", "b"):
        define(store, clock, name)
    with store.write() as tx:
        pauses.begin(tx, Pause(clock.now(), NOON + timedelta(minutes=12), None, None))
    seen = seen_now(store, clock, most=19)
    assert (seen.whole, seen.until, len(seen.simulated)) == (False, NOON + timedelta(minutes=9), 18)
    counted = seen.count(lambda job_id: job_id == "a")
    assert counted == {Fate.PAUSED: 11, Fate.UNKNOWN: 1429}
    assert [(one.fate, one.count) for one in lines(seen) if one.job_id == "a"] == [
        (Fate.PAUSED, 11),
        (Fate.UNKNOWN, 1429),
    ]


def test_every_occurrence_is_counted_once_whatever_is_simulated(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "*/7 * * * *")
    define(store, clock, "b", "", after=["a"])
    define(store, clock, "c", "*/20 * * * *", enabled=False)
    for most in (1, 50, 5_000):
        found = seen_now(store, clock, most=most).count(lambda _: True)
        assert found.total() == 216 * 2 + 72, most  # 9 an hour, and 3


def test_the_busiest_minute_is_the_first_with_most_that_are_to_run(store: Store, clock: ManualClock) -> None:
    for number in range(3):
        define(store, clock, f"job-{number}", "30 14 * * *")
    define(store, clock, "off", "30 15 * * *", enabled=False)
    define(store, clock, "often", "30 * * * *")
    define(store, clock, "bad", "30 14 * * *")
    with store.write() as tx:
        ledger.reject(tx, _job(tx, "bad"), "write 0 to 23", now=clock.now())
    assert seen_now(store, clock).busiest == (NOON.replace(hour=14, minute=30), 4)
    with store.write() as tx:
        pauses.begin(tx, Pause(clock.now(), NOON.replace(hour=15), None, None))
    assert seen_now(store, clock).busiest == (NOON.replace(hour=15, minute=30), 1)


def test_lines_are_paged_to_the_end_and_none_is_lost_or_told_twice(store: Store, clock: ManualClock) -> None:
    for number in range(4):
        define(store, clock, f"job-{number}", f"0 {number + 1}-20/2 * * *")
    define(store, clock, "often", "*/10 * * * *")
    define(store, clock, "off", "0 2,4 * * *", enabled=False)
    for most in (30, 5_000):
        seen = seen_now(store, clock, most=most, SAURON_WORKERS="8")
        found: list[Line] = []
        key = (seen.now, JobId(""))
        while True:
            part = agenda.lines_after(seen, key, lambda _: True, most=3)
            found += part.lines
            if part.following is None:
                break
            assert part.following > key
            key = part.following
        counts = {job_id: sum(one.count for one in found if one.job_id == job_id) for job_id in seen.counts}
        assert counts == dict(seen.counts)
        apart = [(one.at, one.job_id) for one in found if one.job_id.startswith("job-")]
        assert apart == sorted(set(apart))
        assert len(apart) == 10 + 10 + 9 + 9


def test_what_will_not_run_stands_once_and_a_folded_line_has_the_longest_wait(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "off", "0 2,4 * * *", enabled=False)
    define(store, clock, "often", "0 * * * *")
    for hour, minutes in ((13, 5), (14, 9), (15, 2)):
        define(store, clock, f"long-{hour}", f"0 {hour} * * *", priority=1)
        took(store, f"long-{hour}", minutes)
    found = lines(seen_now(store, clock))
    assert [(one.count, one.last.hour) for one in found if one.job_id == "off"] == [(2, 4)]
    (waits,) = [one for one in found if one.fate is Fate.WORKER]
    assert (waits.count, waits.longest) == (3, timedelta(minutes=9))


def test_an_occurrence_of_a_frequent_job_that_goes_differently_stands_apart(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "often", "*/30 * * * *")
    define(store, clock, "long", "0 15 * * *", priority=1)
    took(store, "long", 5)
    assert [(one.job_id, one.at.hour, one.fate, one.count) for one in lines(seen_now(store, clock))] == [
        ("often", 12, Fate.STARTS, 47),
        ("long", 15, Fate.STARTS, 1),
        ("often", 15, Fate.WORKER, 1),
    ]


def test_what_waits_and_what_does_not_run_are_told_apart() -> None:
    assert not fates.WAITING & fates.NOT_RUNNING
    assert set(Fate) - fates.WAITING - fates.NOT_RUNNING == {Fate.STARTS, Fate.ENDED, Fate.UNKNOWN}


def test_a_schedule_in_a_zone_that_is_gone_has_no_occurrences(store: Store, clock: ManualClock) -> None:
    job = define(store, clock, "a", "0 13 * * *")
    gone = json.dumps(dict(job.spec.record) | {"timezone": "Nowhere/Gone"})
    with store.write() as tx:
        tx.execute(update(jobs).values(record=gone, definition_hash="x"))
    assert lines(seen_now(store, clock)) == []


def _job(tx: Any, job_id: str) -> Any:
    return registry.job(tx, job_id)
