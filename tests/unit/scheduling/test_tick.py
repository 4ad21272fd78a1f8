from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.answers.audit import audit
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Origin, RunState
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, history, ledger, registry
from chalicelib.store.queue import claims
from tests.conftest import ManualClock, define, job_record

pytestmark = pytest.mark.every_store


def minutes(store: Store, job_id: str) -> list[tuple[str, str]]:
    with store.read() as tx:
        runs = [run for run in history.runs(tx, job_id=job_id, limit=500) if run.fire_at]
    return sorted((run.fire_at.strftime("%H:%M"), run.state) for run in runs if run.fire_at)


def holes(store: Store, clock: ManualClock) -> int:
    with store.read() as tx:
        return len(audit(tx, now=clock.now()).holes)


def test_a_tick_queues_what_fires_within_ninety_seconds_and_nothing_later(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "soon", "3 12 * * *")
    define(store, clock, "late", "4 12 * * *")
    clock.move(minutes=1, seconds=1)  # 12:01:31: the horizon is 12:03:01
    report = tick(store, clock)
    assert (report.jobs, report.queued, report.missed) == (1, 1, 0)
    assert minutes(store, "soon") == [("12:03", "queued")]
    assert minutes(store, "late") == []


def test_a_second_tick_does_nothing(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j")
    clock.move(minutes=1)
    assert tick(store, clock).queued == 1
    assert tick(store, clock).queued == 0
    assert holes(store, clock) == 0


def test_after_downtime_what_was_queued_ahead_falls_under_the_catchup_policy(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "*/10 * * * *", catchup="none")
    clock.move(minutes=9)
    tick(store, clock)  # 12:09:30 queues 12:10
    assert minutes(store, "j") == [("12:10", "queued")]
    clock.move(hours=1)
    tick(store, clock)  # nothing ran in between
    with store.read() as tx:
        [gap] = [run for run in history.runs(tx, job_id="j") if run.state is RunState.MISSED]
    assert (gap.gap_count, gap.gap_from, gap.fire_at) == (
        6,
        clock.now().replace(hour=12, minute=10, second=0),
        clock.now().replace(hour=13, minute=0, second=0),
    )
    assert holes(store, clock) == 0


def test_a_tick_that_comes_a_minute_late_takes_nothing_back(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "*/10 * * * *")
    clock.move(minutes=9)
    tick(store, clock)
    clock.move(minutes=2)
    tick(store, clock)
    assert minutes(store, "j") == [("12:10", "queued")]


@pytest.mark.parametrize("tick_first", [True, False])
def test_without_catchup_what_is_later_than_on_time_after_a_short_outage_is_missed(
    store: Store, clock: ManualClock, tick_first: bool
) -> None:
    for policy in ("none", "latest"):
        define(store, clock, policy, catchup=policy, overlap="allow")
    tick(store, clock)  # 12:00:30 queues 12:01 and 12:02
    clock.move(minutes=1, seconds=50)  # 12:02:20: 12:01 is 80 s late, 12:02 is on time
    taken = []

    def claim_all() -> None:
        with store.write() as tx:
            while run := claims.claim(tx, owner="me", now=clock.now()).run:
                assert run.fire_at
                taken.append((run.job_id, run.fire_at.strftime("%H:%M")))

    if tick_first:
        assert tick(store, clock).missed == 1
    claim_all()
    assert sorted(taken) == [("latest", "12:01"), ("latest", "12:02"), ("none", "12:02")]
    assert tick(store, clock).missed == (0 if tick_first else 1)
    claim_all()
    with store.read() as tx:
        [missed] = [run for run in history.runs(tx, job_id="none") if run.state is RunState.MISSED]
    assert missed.fire_at == clock.now().replace(minute=1, second=0)
    assert missed.reason == "its time passed while Sauron was not running (catchup=none)"
    assert missed.finished_at == clock.now()
    assert len(taken) == 3
    assert holes(store, clock) == 0


def test_without_catchup_what_waits_for_a_worker_or_for_its_own_job_is_not_missed(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "idle", "1 12 * * *", catchup="none")
    define(store, clock, "busy", catchup="none", overlap="queue")
    tick(store, clock)
    clock.move(seconds=30)
    with store.write() as tx:
        first = claims.claim(tx, owner="me", now=clock.now()).run
    assert first
    clock.move(seconds=30)  # every worker is busy: ticks come, claims do not
    tick(store, clock)
    clock.move(seconds=60)
    tick(store, clock)
    with store.write() as tx:
        second = claims.claim(tx, owner="me", now=clock.now()).run
    assert second
    assert {first.job_id, second.job_id} == {"idle", "busy"}
    clock.move(seconds=100)  # a silence; the run of `busy` has gone on all the while
    tick(store, clock)
    assert [state for at, state in minutes(store, "busy") if at == "12:02"] == ["queued"]


def test_an_expired_override_lets_git_decide_from_its_end_on(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "*/10 * * * *", catchup="all")
    tick(store, clock)
    Operations(store, clock).disable(
        "j", SwitchRequest(until=clock.now() + timedelta(minutes=34), reason="upgrade", by="ann")
    )
    for _ in range(59):
        clock.move(minutes=1)
        tick(store, clock)
    assert [at for at, _ in minutes(store, "j")] == ["12:40", "12:50", "13:00"]
    with store.read() as tx:
        job = registry.job(tx, "j")
    assert job
    assert (job.enabled, job.override) == (True, None)
    assert holes(store, clock) == 0


def test_an_override_that_ended_while_sauron_was_down_counts_from_its_end(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "*/10 * * * *", catchup="all")
    tick(store, clock)
    Operations(store, clock).disable("j", SwitchRequest(until=clock.now() + timedelta(minutes=34)))
    clock.move(minutes=57)
    tick(store, clock)
    assert [at for at, _ in minutes(store, "j")] == ["12:40", "12:50"]
    with store.read() as tx:
        assert {run.origin for run in history.runs(tx, job_id="j")} == {Origin.CATCHUP}
    assert holes(store, clock) == 0


def test_audit_names_an_occurrence_that_has_no_row(store: Store, clock: ManualClock) -> None:
    from sqlalchemy import delete

    from chalicelib.store.schema import job_queue

    define(store, clock, "j", "*/10 * * * *")
    for _ in range(30):
        clock.move(minutes=1)
        tick(store, clock)
    assert holes(store, clock) == 0
    with store.write() as tx:
        gone = clock.now().replace(minute=20, second=0)
        tx.execute(delete(job_queue).where(job_queue.c.fire_at == gone))
    with store.read() as tx:
        report = audit(tx, now=clock.now())
    assert [(hole.job_id, hole.fire_at) for hole in report.holes] == [("j", gone)]
    assert report.occurrences == 3


def test_audit_names_a_gap_that_counts_wrong(store: Store, clock: ManualClock) -> None:
    from sqlalchemy import update

    from chalicelib.store.schema import job_queue

    define(store, clock, "j", "*/10 * * * *", catchup="none")
    tick(store, clock)
    clock.move(hours=2)
    tick(store, clock)
    assert holes(store, clock) == 0
    with store.write() as tx:
        tx.execute(update(job_queue).where(job_queue.c.gap_count > 0).values(gap_count=3))
    assert holes(store, clock) == 1


def test_occurrences_of_the_time_a_job_was_disabled_are_never_caught_up(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "*/10 * * * *", catchup="all")
    tick(store, clock)
    Operations(store, clock).disable("j")
    clock.move(hours=1)
    Operations(store, clock).enable("j")
    clock.move(minutes=10)
    tick(store, clock)
    assert [at for at, _ in minutes(store, "j")] == ["13:10"]
    assert holes(store, clock) == 0


def test_a_clock_that_is_set_back_makes_nothing_twice(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j")
    for _ in range(5):
        clock.move(minutes=1)
        tick(store, clock)
    before = minutes(store, "j")
    clock.move(minutes=-4)
    tick(store, clock)
    assert minutes(store, "j") == before
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run is not None


def test_what_was_asked_for_before_the_clock_was_set_back_is_due_at_once(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", overlap="allow")
    define(store, clock, "yearly", "0 0 1 1 *", overlap="allow")
    tick(store, clock)
    ahead = minutes(store, "j")
    asked = Operations(store, clock).trigger("yearly").id
    clock.move(hours=-1)
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run is None
    tick(store, clock)
    with store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
        assert claims.claim(tx, owner="me", now=clock.now()).run is None  # no occurrence is early
    assert run is not None
    assert run.id == asked
    assert minutes(store, "j") == ahead


def test_after_downtime_catchup_none_runs_nothing_however_late_it_is(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "* * * * *", catchup="none")
    tick(store, clock)
    clock.move(minutes=10)  # the newest occurrence is 30 s old
    tick(store, clock)
    queued = [at for at, state in minutes(store, "j") if state == "queued"]
    assert queued == ["12:11", "12:12"]
    assert holes(store, clock) == 0


def test_after_downtime_the_newest_occurrence_waits_its_turn_and_is_not_skipped(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "* * * * *")
    tick(store, clock)
    clock.move(minutes=10)
    tick(store, clock)
    with store.read() as tx:
        late = [
            run
            for run in history.runs(tx, job_id="j")
            if run.origin is Origin.CATCHUP and run.state is RunState.QUEUED
        ]
    assert [run.fire_at for run in late] == [clock.now().replace(minute=10, second=0)]


def test_a_job_whose_zone_is_no_more_stops_no_other_job(store: Store, clock: ManualClock) -> None:
    from sqlalchemy import text

    define(store, clock, "bad", "* * * * *")
    define(store, clock, "good", "* * * * *")
    with store.write() as tx:
        tx.execute(
            text(
                "UPDATE jobs SET record = replace(record, 'UTC', 'Mars/Olympus'), definition_hash = 'x'"
                " WHERE job_id = 'bad'"
            )
        )
    clock.move(minutes=2)
    assert tick(store, clock).queued
    with store.read() as tx:
        bad = registry.job(tx, "bad")
    assert bad
    assert "Mars/Olympus" in str(bad.rejected)


def test_audit_counts_a_gap_with_the_rows_inside_it(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "* * * * *", catchup="none")
    tick(store, clock)
    with store.read() as tx:
        last = max(history.runs(tx, job_id="j"), key=lambda run: run.fire_at or run.created_at)
    Operations(store, clock).cancel(last.id)
    clock.move(minutes=10)
    tick(store, clock)
    assert holes(store, clock) == 0


def test_after_downtime_what_a_former_schedule_queued_is_not_taken_back(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j")
    tick(store, clock)
    clock.move(minutes=5)  # without ticks, while syncs edit the job
    define(store, clock, "j", "*/2 * * * *")
    clock.move(hours=5)
    define(store, clock, "j", "0 * * * *")
    clock.move(hours=5)
    tick(store, clock)
    assert holes(store, clock) == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", [100, 101, 250])
def test_one_tick_handles_every_job_that_is_due_however_many_batches_it_takes(
    store: Store, clock: ManualClock, count: int
) -> None:
    with store.write() as tx:
        for number in range(count):
            spec = JobSpec.from_record(job_record(f"job-{number}", "3 12 * * *"))
            ledger.define(tx, spec, None, source="bundle", revision="a" * 40, now=clock.now())
    clock.move(minutes=1, seconds=1)
    report = tick(store, clock)
    assert (report.jobs, report.queued) == (count, count)
    with store.read() as tx:
        assert history.counts(tx)["queued"] == count
    assert tick(store, clock).queued == 0
