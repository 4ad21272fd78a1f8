"""What arrives in Life Hub and what stays as it was: a real PostgreSQL with our tables and foreign ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, insert, select, update

from chalicelib.lifehub.connection import LifeHubError, own
from chalicelib.lifehub.publisher import Published
from chalicelib.lifehub.schema import COLUMNS, migrate
from chalicelib.model.jobs import Override
from chalicelib.model.runs import JobId, Outcome, Verdict
from chalicelib.store import Store, bundle, duties, ledger, outbox, registry, run_pruning
from chalicelib.store.schema import outbox as outbox_table
from tests.conftest import ManualClock, define
from tests.life_hub import DONE, Server, ask, publisher, run_ends

pytestmark = pytest.mark.every_store

GIVEN = os.environ.get("TEST_DATABASE_URL", "")
LATER = "0 0 1 1 *"
EARLIER_RUNS = """CREATE TABLE ops.runs (job_key varchar(80) NOT NULL, started_at timestamp(3) NOT NULL,
    status text NOT NULL CHECK (status IN ('success', 'degraded', 'failure', 'timeout')),
    error_message varchar(20), tags jsonb, theirs int)"""
EARLIER_JOBS = """CREATE TABLE ops.jobs (job_key text, enabled boolean, next_run_at timestamptz,
    theirs text DEFAULT 'kept')"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if GIVEN:
        yield GIVEN
        return
    made = Server()
    yield made.url()
    made.close()


@pytest.fixture
def bare(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without a schema of ours."""
    name = f"hub_{os.getpid()}_{abs(hash(request.node.name)):x}"[:60]
    ask(server, f"CREATE DATABASE {name}")
    base, _, query = server.partition("?")
    yield base.rpartition("/")[0] + f"/{name}" + (f"?{query}" if query else "")
    ask(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def hub(bare: str) -> str:
    migrate(bare)
    return bare


def lag(store: Store) -> outbox.Lag:
    with store.read() as tx:
        return outbox.lag(tx)


def waiting_rows(store: Store) -> list[dict[str, Any]]:
    with store.read() as tx:
        return [dict(row._mapping) for row in tx.execute(select(outbox_table).order_by(outbox_table.c.id))]


def put_jobs(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        outbox.put_jobs(tx, now=clock.now())


def publish(store: Store, clock: ManualClock, url: str) -> None:
    copier = publisher(store, clock, url)
    done = copier.publish()
    copier.close()
    assert (done.error, done.waiting) == (None, 0)


def test_an_attempt_arrives_with_all_that_is_promised(store: Store, clock: ManualClock, hub: str) -> None:
    define(store, clock, "j", LATER, tags=["t", "u"], project="p")
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
        bundle.add_revision(tx, "a" * 40, [], [], subject=None, author=None, now=clock.now())
        bundle.mark_activated(tx, "a" * 40, now=clock.now())
    began = clock.now()
    run_id, _ = run_ends(store, clock, "j", said=("x" * 4000, "y" * 3000, "end\n"))
    publish(store, clock, hub)
    names = [name for name in COLUMNS["runs"] if name not in {"metadata", "stdout_tail"}]
    [row] = ask(hub, f"SELECT {', '.join(names)}, metadata, stdout_tail FROM ops.runs")  # noqa: S608 - our own names
    told = dict(zip([*names, "metadata", "stdout_tail"], row, strict=True))
    tail = told.pop("stdout_tail")
    assert (len(tail), tail[:3], tail[-4:]) == (5000, "xxx", "end\n")
    assert told.pop("metadata") == {
        "script_source": "git",
        "entrypoint": "jobs.sample:run",
        "git_sha": "a" * 40,
        "loaded_at": "2026-03-02T12:00:30Z",
        "run_id": run_id,
        "attempt": 1,
        "origin": "trigger",
    }
    assert told == {
        "job_key": "sauron:j",
        "job_id": "j",
        "started_at": began,
        "ended_at": began + timedelta(seconds=1.5),
        "duration_ms": 1500,
        "status": "success",
        "exit_code": 0,
        "error_message": None,
        "error_type": None,
        "summary": "well done",
        "tags": ["t", "u"],
        "project": "p",
        "source_host": "box",
    }
    assert lag(store) == outbox.Lag(0, None, 0)


def test_every_outcome_has_its_word_and_every_attempt_its_row(
    store: Store, clock: ManualClock, hub: str
) -> None:
    define(store, clock, "j", LATER)
    run_ends(store, clock, "j", Verdict(Outcome.FAILED, "boom", "ValueError", exit_code=1), retry=True)
    run_ends(store, clock, "j", Verdict(Outcome.INTERRUPTED, "gone", "interrupted"), retry=True)
    run_ends(store, clock, "j", Verdict(Outcome.TIMED_OUT))
    run_ends(store, clock, "j", Verdict(Outcome.DEGRADED, result={"message": {"of": 3}}))
    run_ends(store, clock, "j", Verdict(Outcome.CANCELLED))
    publish(store, clock, hub)
    rows = ask(hub, "SELECT metadata->>'attempt', status, error_message, summary FROM ops.runs ORDER BY id")
    assert rows == [
        ("1", "failure", "boom", None),
        ("2", "failure", "gone", None),
        ("3", "timeout", None, None),
        ("1", "degraded", None, '{"of": 3}'),
        ("1", "cancelled", None, None),
    ]


def test_a_run_that_was_pruned_meanwhile_still_arrives(store: Store, clock: ManualClock, hub: str) -> None:
    define(store, clock, "j", LATER)
    run_id, _ = run_ends(store, clock, "j", said=("kept",))
    with store.write() as tx:
        assert run_pruning.prune(tx, before=clock.now() + timedelta(days=1), most=10) == 1
    publish(store, clock, hub)
    assert ask(hub, "SELECT metadata->>'run_id', stdout_tail FROM ops.runs") == [(run_id, "kept")]


def test_what_was_copied_just_before_a_crash_is_not_copied_twice(
    store: Store, clock: ManualClock, hub: str
) -> None:
    define(store, clock, "j", LATER)
    put_jobs(store, clock)
    for _ in range(450):
        run_ends(store, clock, "j")
    rows = waiting_rows(store)
    publish(store, clock, hub)
    before = ask(hub, "SELECT r::text FROM ops.runs r ORDER BY id")
    assert len(before) == 450
    assert before == sorted(before, key=lambda row: int(row[0][1:].split(",")[0]))
    with store.write() as tx:
        tx.execute(insert(outbox_table), rows)  # the deletion was lost
    publish(store, clock, hub)
    assert ask(hub, "SELECT r::text FROM ops.runs r ORDER BY id") == before
    assert ask(hub, "SELECT count(*) FROM ops.jobs") == [(1,)]
    assert ask(hub, "SELECT count(*) FROM ops.job_definitions") == [(1,)]
    assert ask(
        hub, "SELECT bool_and(a.started_at < b.started_at) FROM ops.runs a JOIN ops.runs b ON b.id = a.id + 1"
    ) == [(True,)]


@pytest.mark.parametrize("unique", ["", ", UNIQUE (job_key, started_at)"])
def test_another_run_with_the_same_key_is_left_as_it_is_and_swallows_nothing(
    store: Store, clock: ManualClock, bare: str, unique: str
) -> None:
    ask(bare, "CREATE SCHEMA ops")
    ask(bare, EARLIER_JOBS)
    ask(
        bare,
        f"CREATE TABLE ops.runs (job_key text, started_at timestamptz, status text, metadata json{unique})",
    )
    ask(bare, "INSERT INTO ops.runs VALUES ('sauron:j', %s, 'earlier', NULL)", clock.now())
    ask(
        bare,
        "INSERT INTO ops.runs VALUES ('sauron:j', %s, 'earlier', '[1]')",
        clock.now() + timedelta(microseconds=1),
    )
    theirs = ask(bare, "SELECT r::text FROM ops.runs r WHERE status = 'earlier' ORDER BY started_at")
    define(store, clock, "j", LATER)
    began = clock.now()
    for _ in range(2):  # two that began in one microsecond
        run_ends(store, clock, "j")
        clock.instant = began
    rows = waiting_rows(store)
    publish(store, clock, bare)
    with store.write() as tx:
        tx.execute(insert(outbox_table), rows)
    publish(store, clock, bare)
    ours = ask(bare, "SELECT started_at FROM ops.runs WHERE status = 'success' ORDER BY started_at")
    assert [at for (at,) in ours] == [began + timedelta(microseconds=n) for n in (2, 3)]
    assert ask(bare, "SELECT r::text FROM ops.runs r WHERE status = 'earlier' ORDER BY started_at") == theirs


def test_tables_with_fewer_and_other_columns_get_what_they_can_hold(
    store: Store, clock: ManualClock, bare: str
) -> None:
    ask(bare, "CREATE SCHEMA ops")
    ask(bare, EARLIER_JOBS)
    ask(bare, EARLIER_RUNS)
    ask(bare, "INSERT INTO ops.runs VALUES ('sauron:old', '2020-01-01', 'success', 'x', '[]', 7)")
    theirs = ask(bare, "SELECT r::text FROM ops.runs r")
    define(store, clock, "j", LATER, tags=["t"])
    put_jobs(store, clock)
    clock.move(microseconds=123456)
    run_ends(store, clock, "j", Verdict(Outcome.FAILED, "a reason that is longer than twenty"))
    rows = waiting_rows(store)
    publish(store, clock, bare)
    with store.write() as tx:
        tx.execute(insert(outbox_table), rows)
    publish(store, clock, bare)
    began = datetime(2026, 3, 2, 12, 0, 30, 123000)  # noqa: DTZ001 - the column has no zone
    ours = ("sauron:j", began, "failure", "a reason that is lon", ["t"], None)
    assert ask(bare, "SELECT * FROM ops.runs WHERE job_key = 'sauron:j'") == [ours]
    assert ask(bare, "SELECT r::text FROM ops.runs r WHERE job_key = 'sauron:old'") == theirs
    assert ask(bare, "SELECT job_key, enabled, theirs FROM ops.jobs") == [("sauron:j", True, "kept")]
    assert migrate(bare)[0].startswith("ops.jobs: was there and stays as it is; it lacks job_id, scheduler, ")


def test_a_row_that_is_refused_for_itself_keeps_nothing_behind_it(
    store: Store, clock: ManualClock, bare: str
) -> None:
    ask(bare, "CREATE SCHEMA ops")
    ask(bare, EARLIER_JOBS)
    ask(bare, EARLIER_RUNS)
    define(store, clock, "j", LATER)
    for verdict in (DONE, Verdict(Outcome.CANCELLED), DONE):
        run_ends(store, clock, "j", verdict)
    copier = publisher(store, clock, bare)
    done = copier.publish()
    assert (done.error, done.waiting, lag(store).refused) == (None, 0, 1)
    [kept] = waiting_rows(store)
    assert "runs_status_check" in kept["refused"]
    assert "well done" not in kept["refused"]
    ask(bare, "ALTER TABLE ops.runs DROP CONSTRAINT runs_status_check")
    copier.publish()
    assert lag(store).refused == 1
    clock.move(hours=1)
    copier.publish()
    copier.close()
    assert ask(bare, "SELECT status FROM ops.runs ORDER BY started_at") == [
        ("success",),
        ("cancelled",),
        ("success",),
    ]
    assert waiting_rows(store) == []


def test_columns_and_tables_may_come_and_go_while_it_runs(store: Store, clock: ManualClock, hub: str) -> None:
    define(store, clock, "j", LATER)
    copier = publisher(store, clock, hub)
    for change in (
        "SELECT 1",
        "ALTER TABLE ops.runs DROP COLUMN summary, DROP COLUMN metadata",
        "ALTER TABLE ops.jobs DROP COLUMN config",
        "ALTER TABLE ops.runs ADD COLUMN metadata text, DROP COLUMN duration_ms",
        "ALTER TABLE ops.runs ADD COLUMN duration_ms int GENERATED ALWAYS AS (7) STORED",
        "DROP TABLE ops.job_definitions",
    ):
        ask(hub, change)
        run_ends(store, clock, "j")
        assert copier.publish().error is None
    ask(hub, "ALTER TABLE ops.runs RENAME TO moved")
    run_ends(store, clock, "j")
    assert copier.publish().error == "Life Hub has no table ops.runs: run `sauron migrate --life-hub`."
    ask(hub, "ALTER TABLE ops.moved RENAME TO runs")
    assert copier.publish() == Published(1, 0, None)
    copier.close()
    assert ask(hub, "SELECT count(*) FROM ops.runs") == [(7,)]


def test_jobs_are_told_as_they_stand_removed_ones_marked(store: Store, clock: ManualClock, hub: str) -> None:
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)  # what is not known after a sync is gone
    for name in ("on", "off", "gone", "bad", "old"):
        define(store, clock, name, "0 8 * * *", timezone="Europe/Berlin", tags=["t"])
    put_jobs(store, clock)
    for scheduler in ("other", "sauron:b"):
        ask(
            hub,
            "INSERT INTO ops.jobs (job_key, job_id, scheduler, cron, timezone, enabled, last_seen_at) "
            "VALUES (%s || ':x', 'x', %s, '* * * * *', 'UTC', true, now())",
            scheduler,
            scheduler,
        )
    publish(store, clock, hub)
    assert ask(hub, "SELECT DISTINCT enabled, next_run_at FROM ops.jobs WHERE scheduler = 'sauron'") == [
        (True, datetime(2026, 3, 3, 7, tzinfo=UTC))
    ]
    with store.write() as tx:
        by = {str(job.id): job for job in registry.all_jobs(tx)}
        ledger.switch(tx, by["off"], enabled=False, at=clock.now(), now=clock.now())
        registry.set_override(tx, "off", Override(False, "noisy", "ann", clock.now(), None))
        ledger.retire(tx, by["gone"], now=clock.now())
        ledger.reject(tx, by["bad"], "cron refused", now=clock.now())
        ledger.rename(tx, by["old"], JobId("new"), now=clock.now())
        outbox.put_jobs(tx, now=clock.now())
    publish(store, clock, hub)
    rows = ask(
        hub,
        "SELECT job_key, enabled, next_run_at IS NULL, metadata->'override'->>'reason'"
        " FROM ops.jobs ORDER BY job_key",
    )
    assert rows == [
        ("other:x", True, True, None),
        ("sauron:b:x", True, True, None),
        ("sauron:bad", True, True, None),
        ("sauron:gone", False, True, None),
        ("sauron:new", True, False, None),
        ("sauron:off", False, True, "noisy"),
        ("sauron:old", False, True, None),
        ("sauron:on", True, False, None),
    ]
    [row] = ask(hub, "SELECT config, script_source, timeout_seconds, tags FROM ops.jobs WHERE job_id = 'on'")
    assert (row[0]["cron"], *row[1:]) == ("0 8 * * *", "git", 300, ["t"])


def test_a_job_that_ran_is_told_anew_and_a_new_definition_is_kept_beside_the_old(
    store: Store, clock: ManualClock, hub: str
) -> None:
    define(store, clock, "j", "0 * * * *")
    publish_after = datetime(2026, 3, 2, 14, tzinfo=UTC)
    put_jobs(store, clock)
    publish(store, clock, hub)
    clock.move(hours=1)
    define(store, clock, "j", "0 * * * *", description="new", tags=["n\x00", "\ud800"])
    with store.write() as tx:
        tx.exec_driver_sql("DELETE FROM job_queue")
    run_ends(store, clock, "j")
    publish(store, clock, hub)
    assert ask(hub, "SELECT next_run_at, tags FROM ops.jobs") == [(publish_after, ["n\ufffd", "?"])]
    assert ask(hub, "SELECT config->>'description' FROM ops.job_definitions ORDER BY created_at") == [
        ("",),
        ("new",),
    ]


def test_a_change_made_while_it_is_copied_is_copied_again(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        outbox.put_job(tx, "j", now=clock.now())
        outbox.put_job(tx, "k", now=clock.now())
        picked = outbox.waiting(tx, 10)
        outbox.put_job(tx, "j", now=clock.now() + timedelta(seconds=5))
        outbox.done(tx, [entry.id for entry in picked])
        [left] = outbox.waiting(tx, 10)
        assert (left.kind, left.job_id, left.created_at) == ("job", "j", clock.now())
        outbox.put_jobs(tx, now=clock.now())
        outbox.put_jobs(tx, now=clock.now())
        assert [entry.kind for entry in outbox.waiting(tx, 10)] == ["jobs"]


def test_only_one_publisher_at_a_time_writes_for_a_scheduler(
    store: Store, clock: ManualClock, hub: str
) -> None:
    define(store, clock, "j", LATER)
    run_ends(store, clock, "j")
    copier = publisher(store, clock, hub)
    with psycopg.connect(hub.replace("+psycopg", ""), row_factory=psycopg.rows.dict_row) as other:
        assert own(other, "sauron")
        done = copier.publish()
        assert (done.copied, done.waiting, done.error) == (0, 1, None)
        assert copier.next_try_in == 5
    assert copier.publish().copied == 1
    copier.close()


def test_pauses_between_tries_grow_and_end_with_the_first_success(
    store: Store, clock: ManualClock, hub: str
) -> None:
    define(store, clock, "j", LATER)
    run_ends(store, clock, "j")
    ask(hub, "ALTER TABLE ops.runs RENAME TO moved")
    copier = publisher(store, clock, hub)
    assert copier.next_try_in == 0
    pauses = []
    for _ in range(8):
        copier.publish()
        pauses.append(copier.next_try_in)
        with store.read() as tx:
            at, told = duties.duty(tx, "lifehub") or (None, None)
        assert told == {
            "error": "Life Hub has no table ops.runs: run `sauron migrate --life-hub`.",
            "last_success": None,
        } | {"failing_since": "2026-03-02T12:00:32Z" if at is None else told and told["failing_since"]}
    for pause, middle in zip(pauses, (5, 10, 20, 40, 80, 160, 300, 300), strict=True):
        assert 0.8 * middle <= pause <= 1.2 * middle
    ask(hub, "ALTER TABLE ops.moved RENAME TO runs")
    copier.publish()
    copier.close()
    assert copier.next_try_in == 0
    with store.read() as tx:
        _, told = duties.duty(tx, "lifehub") or (None, None)
    assert told == {"error": None, "failing_since": None, "last_success": "2026-03-02T12:00:31.500000Z"}


def test_no_error_shows_the_password_or_the_row(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    define(store, clock, "j", LATER)
    run_ends(store, clock, "j")
    for url in (
        f"postgresql+psycopg://ann:p%40ss-word@/x?host={tmp_path}",
        "postgresql+psycopg://ann:p%40ss-word@127.0.0.1:1/x?sslmode=p@ss-word",
    ):
        copier = publisher(store, clock, url)
        error = copier.publish().error
        copier.close()
        assert error
        assert "p@ss-word" not in error
        assert "p%40ss-word" not in error
        with pytest.raises(LifeHubError) as raised:
            migrate(url)
        assert "ss-word" not in str(raised.value)


def test_the_schema_is_made_where_it_is_missing_and_never_altered(bare: str) -> None:
    assert migrate(bare) == [
        "schema ops: made",
        "ops.jobs: made",
        "ops.job_definitions: made",
        "ops.runs: made",
    ]
    ask(bare, "ALTER TABLE ops.runs DROP COLUMN summary")
    ask(bare, "DROP TABLE ops.jobs")
    assert migrate(bare) == [
        "ops.jobs: made",
        "ops.job_definitions: was there and stays as it is",
        "ops.runs: was there and stays as it is; it lacks summary, which are not copied",
    ]
    columns = ask(
        bare,
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'ops' AND table_name = 'runs'",
    )
    assert ("summary",) not in columns


def test_a_refused_job_is_set_aside_and_its_runs_arrive(store: Store, clock: ManualClock, hub: str) -> None:
    ask(hub, "ALTER TABLE ops.jobs ADD CHECK (cron <> '0 0 1 1 *')")
    define(store, clock, "j", LATER)
    define(store, clock, "k", "0 1 1 1 *")
    with store.write() as tx:
        outbox.put_job(tx, "j", now=clock.now())
        outbox.put_job(tx, "k", now=clock.now())
    run_ends(store, clock, "j")
    copier = publisher(store, clock, hub)
    assert copier.publish().error is None
    copier.close()
    assert lag(store).refused == 1
    assert ask(hub, "SELECT job_id FROM ops.jobs") == [("k",)]
    assert ask(hub, "SELECT count(*) FROM ops.runs") == [(1,)]
    with store.write() as tx:
        tx.execute(update(outbox_table).values(refused=None))
        tx.execute(delete(outbox_table))


def test_a_store_on_postgresql_keeps_the_outbox_too(clock: ManualClock, bare: str) -> None:
    store = Store(bare)
    store.migrate()
    migrate(bare)
    define(store, clock, "j", LATER)
    put_jobs(store, clock)
    run_id, _ = run_ends(
        store, clock, "j", Verdict(Outcome.SUCCEEDED, result={"summary": "n"}), said=("a", "b")
    )
    publish(store, clock, bare)
    store.close()
    assert ask(bare, "SELECT metadata->>'run_id', stdout_tail, summary FROM ops.runs") == [
        (run_id, "ab", "n")
    ]
