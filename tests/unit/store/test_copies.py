from __future__ import annotations

import itertools
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from chalicelib.errors import DamagedStoreError, StoreError
from chalicelib.store import Store, copies, schema
from tests.conftest import ManualClock, define


def scribble(file: Path, *, begin: int = 8192) -> None:
    """Overwrite everything after the first pages, as a mixture of two stores or a bad disk does."""
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(begin)
        stream.write(b"\xff" * (size - begin))


def damage_of(store: Store) -> DamagedStoreError | None:
    return store.damage


@pytest.fixture
def place(store: Store) -> Path:
    assert store.path
    return store.path


def test_a_copy_is_open_to_its_owner_alone(store: Store, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store.backup(tmp_path / "copy")
    finally:
        os.umask(before)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_a_copy_that_is_not_whole_is_not_kept_and_the_store_is_told_damaged(
    store: Store, place: Path, tmp_path: Path
) -> None:
    store.migrate()
    store.close()
    scribble(place)
    with pytest.raises(DamagedStoreError, match="is damaged"):
        store.backup(tmp_path / "copy")
    assert list(tmp_path.glob("copy*")) == []
    assert store.damage


def test_a_damaged_store_is_found_at_the_first_read_with_its_newest_good_copy(
    store: Store, place: Path, clock: ManualClock
) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    (place.parent / "backups").mkdir()
    good = place.parent / "backups" / "sauron-20260301-020000.sqlite3"
    store.backup(good)
    later = place.parent / "backups" / "sauron-20260302-020000.sqlite3"
    store.backup(later)
    scribble(later)
    store.migrate()
    assert damage_of(store) is None
    store.checkpoint(at_once=True)
    store.close()
    scribble(place)
    with pytest.raises(DatabaseError), store.read() as tx:
        tx.execute(text("SELECT * FROM jobs")).all()
    damage = damage_of(store)
    assert damage
    assert damage.newest_copy == good
    assert f"sauron restore {good}" in str(damage)


def test_a_busy_store_or_a_wrong_statement_is_not_damage(store: Store) -> None:
    with pytest.raises(Exception, match="no such table"), store.read() as tx:
        tx.execute(text("SELECT * FROM absent"))
    assert store.damage is None


def test_examining_finds_damage_that_no_read_meets(store: Store, place: Path, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    store.examine()
    store.close()
    scribble(place, begin=place.stat().st_size - 8192)
    with pytest.raises(DamagedStoreError, match="No good copy lies beside it"):
        store.examine()


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ("DROP TABLE outbox", "the table outbox"),
        ("DROP TABLE overrides", "the table overrides"),
        ("ALTER TABLE job_queue DROP COLUMN progress_note", "the column job_queue.progress_note"),
        ("DROP INDEX ix_job_queue_due", "the index ix_job_queue_due"),
    ],
)
def test_a_store_that_lacks_a_part_is_refused_in_one_sentence(
    store: Store, place: Path, change: str, lacks: str
) -> None:
    with store.write() as tx:
        tx.execute(text(change))
    with pytest.raises(DamagedStoreError) as refused:
        store.migrate()
    assert lacks in str(refused.value)
    assert str(place) in str(refused.value)
    assert "sauron restore" in str(refused.value)


def older(store: Store, version: str) -> None:
    with store.write() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
        schema.metadata.drop_all(tx)
        Store._upgrade(tx, version)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0002", "0004"])
def test_an_upgrade_leaves_a_copy_of_before_beside_the_store(store: Store, place: Path, version: str) -> None:
    older(store, version)
    store.migrate()
    kept = place.with_name(f"{place.name}.schema-{version}")
    assert copies.examine(kept) == version
    assert kept.stat().st_mode & 0o777 == 0o600
    assert copies.newest_good(place, place.parent / "backups") == kept


def test_a_new_store_and_one_of_this_schema_are_not_copied(store: Store, tmp_path: Path) -> None:
    store.migrate()
    new = Store(f"sqlite:///{tmp_path}/new/store.sqlite3")
    assert new.migrate()
    new.close()
    assert list(tmp_path.rglob("*.schema-*")) == []


def test_a_damaged_store_is_not_upgraded(store: Store, place: Path, clock: ManualClock) -> None:
    older(store, "0004")
    with store.write() as tx:
        for number in range(300):
            tx.execute(
                text("INSERT INTO duties (name, at) VALUES (:n, :at)"), {"n": f"{number:0200}", "at": "x"}
            )
    store.checkpoint(at_once=True)
    store.close()
    scribble(place, begin=place.stat().st_size - 16384)
    with pytest.raises(DamagedStoreError):
        store.migrate()
    store.close()
    with closing(sqlite3.connect(place)) as opened:
        assert opened.execute("SELECT version_num FROM alembic_version").fetchone() == ("0004",)
    assert list(place.parent.glob("*.schema-*")) == []


def test_a_newer_store_names_the_copy_from_before_the_upgrade(store: Store, place: Path) -> None:
    store.backup(place.with_name(f"{place.name}.schema-{schema.HEAD}"))
    with store.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=rf"sauron restore {place}.schema-{schema.HEAD}"):
        store.migrate()


def test_the_tables_of_an_earlier_system_are_copied_before_they_are_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "queue.sqlite3"
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE notes (line TEXT)")
        made.execute("INSERT INTO notes VALUES ('kept')")
        made.commit()
    store = Store(f"sqlite:///{file}")
    store.migrate()
    store.close()
    with closing(sqlite3.connect(tmp_path / "queue.sqlite3.schema-earlier")) as copy:
        assert copy.execute("SELECT line FROM notes").fetchall() == [("kept",)]
        assert copy.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


def test_a_copy_that_is_gone_does_not_change_which_is_the_newest(store: Store, place: Path) -> None:
    folder = place.parent / "backups"
    folder.mkdir()
    made = [folder / f"sauron-2026030{day}-020000.sqlite3" for day in (1, 2, 3)]
    for time, file in zip((1, 3, 2), made, strict=True):
        store.backup(file)
        os.utime(file, (time, time))
    (folder / "sauron-20260304-020000.sqlite3").symlink_to(folder / "gone")
    assert copies.newest_good(place, folder) == made[1]


def test_a_copy_that_is_made_while_others_write_holds_one_moment(store: Store, tmp_path: Path) -> None:
    stopping = threading.Event()
    writing = threading.Event()

    def write() -> None:
        for number in itertools.count():
            with store.write() as tx:
                for end in ("one", "other"):
                    name = f"{number} {end}"
                    tx.execute(text("INSERT INTO duties (name, at) VALUES (:name, 'x')"), {"name": name})
            writing.set()
            if stopping.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(3):
        assert writing.wait(60)
        writing.clear()
        store.backup(tmp_path / f"copy-{number}")
    stopping.set()
    writer.join()
    for number in range(3):
        with copies.opened(tmp_path / f"copy-{number}") as opened:
            (names,) = opened.execute("SELECT group_concat(name) FROM duties").fetchone()
        assert names.count("one") == names.count("other") > 0
