from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from chalicelib.errors import StoreError
from chalicelib.store import Store, bundle, runners, schema
from chalicelib.store.queue import leases
from chalicelib.store.sqlite_file import READER_KIB, WAL_KEPT, WRITER_KIB
from tests.conftest import START, observed
from tests.other_user import as_user

EARLIER = """
CREATE TABLE job_queue (id INTEGER PRIMARY KEY, job_id TEXT, status TEXT, scheduled_for TEXT,
  attempts INT, max_attempts INT,
  lease_owner TEXT, lease_expires_at TEXT, dedupe_key TEXT UNIQUE, payload TEXT, last_error TEXT,
  started_at TEXT, finished_at TEXT, created_at TEXT, updated_at TEXT);
CREATE INDEX ix_job_queue_due ON job_queue (status, scheduled_for);
CREATE TABLE apscheduler_jobs (id TEXT PRIMARY KEY);
INSERT INTO job_queue (job_id, status) VALUES ('backup', 'success'), ('digest', 'queued');
"""


OF_BEFORE = (  # rows of schema 0004
    """INSERT INTO runners (name, host, pid, version, started_at, seen_at, running, revision, draining)
    VALUES ('r1', 'box', 7, '3.0.0', '2026-03-02T12:00:30.000000Z', '2026-03-02T12:00:30.000000Z', 2,
      'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', true)""",
    """INSERT INTO revisions (sha, booted_at, jobs, rejected)
    VALUES ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', '2026-03-02T12:00:30.000000Z', '[]',
      '[{"job_id": "odd", "reason": "cron"}]')""",
    """INSERT INTO bundle_state (id, active_sha, rejected, consecutive_failures)
    VALUES (1, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', '[{"job_id": "odd", "reason": "cron"}]', 4)""",
    """INSERT INTO duties (name, at)
    VALUES ('tick', '2026-03-02T12:00:30.000000Z'), ('upkeep', '2026-03-02T12:00:30.000000Z')""",
    """INSERT INTO job_queue (id, job_id, state, origin, due_at, max_attempts, created_at, lease_owner)
    VALUES ('01', 'long', 'running', 'manual', '2026-03-02T12:00:30.000000Z', 1,
      '2026-03-02T12:00:30.000000Z', 'r1')""",
)


def test_a_store_is_made_on_first_use_and_migrating_again_does_nothing(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/deep/er/store.sqlite3")
    store.migrate()
    store.migrate()
    with store.read() as tx:
        assert tx.execute(text("SELECT version_num FROM alembic_version")).scalar() == schema.HEAD
        assert tx.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert tx.execute(text("PRAGMA synchronous")).scalar() == 2
        assert tx.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0


def test_readers_keep_less_of_an_sqlite_file_in_memory_than_the_writer(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/s.sqlite3")
    with store.write() as tx:
        assert tx.execute(text("PRAGMA cache_size")).scalar() == -WRITER_KIB
    with store.read() as tx:
        assert tx.execute(text("PRAGMA cache_size")).scalar() == -READER_KIB
    store.close()


@pytest.mark.every_store
def test_the_migrations_build_exactly_the_declared_schema(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.read() as tx:
        context = MigrationContext.configure(tx)
        assert compare_metadata(context, schema.metadata) == []
        there = inspect(tx)
        for table in schema.metadata.tables.values():
            declared = {c.name for c in table.constraints if c.name and str(c.name).startswith("ck_")}
            assert {c["name"] for c in there.get_check_constraints(table.name)} == declared


@pytest.mark.every_store
def test_partial_indexes_have_the_declared_conditions(store: Store) -> None:
    declared = {
        (str(index.name), str(table.name)): str(index.dialect_options["sqlite"]["where"])
        for table in schema.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    with store.write() as tx:
        if tx.dialect.name == "sqlite":
            every = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index'"
            made = tx.execute(text(every + " AND sql LIKE '% WHERE %'"))
            found = {(name, of): sql.split(" WHERE ")[1] for name, of, sql in made}
        else:
            for (name, of), where in list(declared.items()):  # in the words in which PostgreSQL keeps it
                tx.execute(text(f"CREATE INDEX twin_{name} ON {of} ((1)) WHERE {where}"))
            partial = "SELECT i.relname, t.relname, pg_get_expr(x.indpred, x.indrelid) FROM pg_index x"
            partial += " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid"
            found = {
                (name, of): where
                for name, of, where in tx.execute(text(partial + " WHERE x.indpred IS NOT NULL"))
            }
            declared = {key: found.pop((f"twin_{key[0]}", key[1])) for key in declared}
    assert found == declared
    assert found


def test_the_newest_migration_is_the_declared_head() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_tables_of_the_earlier_system_are_set_aside_and_never_dropped(tmp_path: Path) -> None:
    file = tmp_path / "queue.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.executescript(EARLIER)
    connection.close()
    store = Store(f"sqlite:///{file}")
    store.migrate()
    with store.read() as tx:
        rows = tx.execute(text("SELECT job_id, status FROM earlier_job_queue ORDER BY id")).all()
        assert [tuple(row) for row in rows] == [("backup", "success"), ("digest", "queued")]
        assert inspect(tx).has_table("apscheduler_jobs")
        assert tx.execute(text("SELECT count(*) FROM job_queue")).scalar() == 0
    store.close()


def test_several_processes_that_open_a_new_store_at_once_migrate_it_once(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path}/store.sqlite3") for _ in range(4)]
    failures: list[BaseException] = []

    def migrate(store: Store) -> None:
        try:
            store.migrate()
        except BaseException as error:  # noqa: BLE001 - a thread reports what it met
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for store in stores:
        store.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("this is not a database, it is a note about one " * 100)
    with pytest.raises(StoreError, match=r"notes.txt is not an SQLite database"):
        Store(f"sqlite:///{file}").migrate()
    assert file.read_text().startswith("this is not")


def test_a_store_of_a_newer_sauron_is_refused(store: Store) -> None:
    with store.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer Sauron"):
        store.migrate()


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user")
@pytest.mark.process
def test_a_folder_that_cannot_be_written_is_named_with_the_chown_to_run(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o755)
    said = as_user(10001, tmp_path, lambda: refused(f"sqlite:///{locked}/store.sqlite3"))
    assert said.endswith(f"Run as root: chown -R 10001:10001 {locked}")


@pytest.mark.process
def test_a_process_that_may_open_no_more_files_is_not_told_to_change_an_owner(store: Store) -> None:
    def starve() -> str:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        os.close(held.pop())  # for the lock file
        said = refused(str(store.url))
        for one in held:
            os.close(one)
        assert soft
        return said

    said = as_user(os.getuid(), Path("/"), starve)
    assert said == f"The store {store.path} cannot be used: unable to open database file."


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_as_a_store_and_left_as_it_is(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "null"
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    place.chmod(0o666)
    said = refused(f"sqlite:///{place}")
    assert f"{place} is {'a folder' if kind == 'folder' else 'a device or a pipe'}. Write the path of" in said
    assert place.stat().st_mode & 0o777 == 0o666
    assert list(tmp_path.iterdir()) == [place]


def test_a_file_of_two_names_is_refused_by_either_name(empty_store: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "store.sqlite3", tmp_path / "snapshot" / "store.sqlite3"
    shutil.copy(empty_store, file)
    other.parent.mkdir()
    other.hardlink_to(file)
    for name in (file, other):
        said = refused(f"sqlite:///{name}")
        assert f"{name} is one file with 2 names (hard links)" in said
        assert f"find DIRECTORY -samefile {name}" in said
    other.unlink()
    Store(f"sqlite:///{file}").migrate()


def test_a_link_leads_to_the_store_and_one_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    file, link, loop = (tmp_path / name for name in ("store.sqlite3", "link.sqlite3", "loop.sqlite3"))
    link.symlink_to(file)
    loop.symlink_to(loop)
    assert Store(f"sqlite:///{link}").path == file
    assert f"{loop} is a symbolic link that leads to itself" in refused(f"sqlite:///{loop}")


def refused(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        Store(url).migrate()
    return str(caught.value)


def test_a_folder_of_the_system_is_named_and_given_to_nobody() -> None:
    with pytest.raises(StoreError, match=r"^/proc cannot be written by user .* Name another folder$"):
        Store("sqlite:////proc/nowhere/store.sqlite3").migrate()


def test_a_write_that_raises_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as tx:  # noqa: PT012 - what raises is the block
        tx.execute(text("INSERT INTO duties (name, at) VALUES ('x', 'y')"))
        raise ZeroDivisionError
    with store.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM duties")).scalar() == 0


class Witness:
    """Notes what the store tells of its writes."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def wrote(self) -> None:
        self.told.append("wrote")

    def refused(self, error: SQLAlchemyError) -> None:
        self.told.append(str(error.__cause__).partition(":")[0].partition("\n")[0])


@pytest.mark.every_store
def test_a_write_that_changed_something_and_one_that_was_refused_are_told(store: Store) -> None:
    witness = Witness()
    with observed(store, witness) as watched:
        with watched.write() as tx:
            assert not leases.heartbeat(tx, ["nobody"], owner="me", now=START)
        assert witness.told == []  # nothing was to be written: that proves nothing
        with watched.write() as tx:
            runners.runner_seen(tx, runners.Runner("r", "host", 1, "3", START, START))
        assert witness.told == ["wrote"]
        with pytest.raises(SQLAlchemyError), watched.write() as tx:
            tx.execute(text("DELETE FROM nowhere"))
    assert len(witness.told) == 2
    assert "nowhere" in witness.told[1] or "no such table" in witness.told[1]


@pytest.mark.every_store
def test_a_row_that_breaks_a_rule_and_an_error_of_the_writer_are_no_refusals(store: Store) -> None:
    witness = Witness()
    row = {"name": "r", "host": "h", "pid": 1, "version": "3", "started_at": START, "seen_at": START}
    insert = schema.runners.insert()
    with observed(store, witness) as watched:
        with pytest.raises(IntegrityError), watched.write() as tx:
            tx.execute(insert.values([row, row]))
        with pytest.raises(ZeroDivisionError), watched.write() as tx:
            assert tx.execute(insert.values(row)).rowcount / 0
    assert witness.told == []


def test_writers_in_many_threads_take_turns(store: Store) -> None:
    def add(number: int) -> None:
        for step in range(25):
            with store.write() as tx:
                tx.execute(text("INSERT INTO duties (name, at) VALUES (:n, 'y')"), {"n": f"{number}-{step}"})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM duties")).scalar() == 200


def test_one_process_at_most_checkpoints_a_shared_file(tmp_path: Path) -> None:
    one, two = (Store(f"sqlite:///{tmp_path}/store.sqlite3") for _ in range(2))
    one.migrate()
    assert one.file
    assert two.file
    assert one.file._checkpoints()
    assert not two.file._checkpoints()
    one.close()
    assert two.file._checkpoints()
    two.close()


def test_a_long_write_ahead_log_is_moved_into_the_file(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/long.sqlite3", wal_bytes=1000)
    store.migrate()
    assert store.path
    size = store.path.stat().st_size
    with store.write() as tx:
        tx.execute(text("INSERT INTO duties (name, at) VALUES ('x', :long)"), {"long": "y" * 500_000})
    store.checkpoint()
    assert store.path.stat().st_size > size + 400_000
    store.close()


def test_a_write_ahead_log_that_was_long_gives_its_space_back(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/long.sqlite3", wal_bytes=1000)
    store.migrate()
    wal = tmp_path / "long.sqlite3-wal"
    insert = text("INSERT INTO duties (name, at) VALUES (:name, :at)")
    with store.write() as tx:
        tx.execute(insert, {"name": "x", "at": "y" * 500_000})
    store.checkpoint()
    assert wal.stat().st_size > 500_000
    with store.write() as tx:
        tx.execute(insert, {"name": "z", "at": "y"})
    assert wal.stat().st_size < WAL_KEPT * 1000 + 100_000
    store.close()


def test_a_backup_is_a_whole_copy_and_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    with store.write() as tx:
        tx.execute(text("INSERT INTO duties (name, at) VALUES ('x', 'y')"))
    file = tmp_path / "copy.sqlite3"
    store.backup(file)
    with sqlite3.connect(file) as copy:
        assert copy.execute("SELECT name FROM duties").fetchall() == [("x",)]
    copy.close()
    with pytest.raises(StoreError, match="exists already"):
        store.backup(file)
    with pytest.raises(StoreError, match="cannot be written"):
        store.backup(tmp_path / "no" / "folder.sqlite3")


@pytest.mark.every_store
def test_a_populated_store_of_before_loses_only_what_other_tables_tell(store: Store) -> None:
    sha = "b" * 40
    with store.write() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
        schema.metadata.drop_all(tx)
        Store._upgrade(tx, "0004")
        for statement in OF_BEFORE:
            tx.exec_driver_sql(statement)
    store.migrate()
    with store.read() as tx:
        (runner,) = runners.all_runners(tx)
        assert (runner.name, runner.revision, runner.draining) == ("r1", sha, True)
        assert leases.count_by_owner(tx) == {"r1": 1}
        state = bundle.state(tx)
        assert [dict(one) for one in state.rejected] == [{"job_id": "odd", "reason": "cron"}]
        assert (state.active_sha, state.consecutive_failures) == (sha, 4)
        assert tx.execute(text("SELECT name FROM duties")).scalars().all() == ["tick"]


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_database_that_lacks_a_table_is_refused_in_one_sentence(store: Store) -> None:
    with store.write() as tx:
        tx.execute(text("DROP TABLE outbox"))
    with pytest.raises(StoreError, match=r"lacks the table outbox, .* pg_dump"):
        store.migrate()
