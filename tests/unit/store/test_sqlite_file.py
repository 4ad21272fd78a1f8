from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, OperationalError

from chalicelib.store import Store, copies, schema
from tests.other_user import as_user


@pytest.fixture
def place(store: Store) -> Path:
    assert store.path
    return store.path


def write(store: Store, name: str) -> None:
    with store.write() as tx:
        tx.execute(text("INSERT INTO duties (name, at) VALUES (:name, 'x')"), {"name": name})


def in_the_file_alone(place: Path, tmp_path: Path) -> list[str]:
    """What a copy of the file without its log holds."""
    copy = tmp_path / "alone.sqlite3"
    shutil.copy(place, copy)
    with closing(sqlite3.connect(copy)) as opened:
        return [name for (name,) in opened.execute("SELECT name FROM duties ORDER BY name")]


def test_a_new_store_is_in_its_file_at_once(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/new.sqlite3")
    assert store.migrate()
    shutil.copy(tmp_path / "new.sqlite3", tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy")) as opened:
        assert opened.execute("SELECT version_num FROM alembic_version").fetchone() == (schema.HEAD,)
    store.close()


def test_what_was_written_is_in_the_file_once_nothing_more_is_written(
    store: Store, place: Path, tmp_path: Path
) -> None:
    write(store, "a")
    store.checkpoint()
    assert in_the_file_alone(place, tmp_path) == []  # it has just been written: more may follow
    store.checkpoint()
    assert in_the_file_alone(place, tmp_path) == ["a"]
    write(store, "b")
    wal = place.with_name(f"{place.name}-wal")
    os.utime(wal, ns=(0, wal.stat().st_mtime_ns + 1))  # whatever the resolution of the file system's clock
    store.checkpoint()
    assert in_the_file_alone(place, tmp_path) == ["a"]
    store.checkpoint()
    assert in_the_file_alone(place, tmp_path) == ["a", "b"]


def test_an_idle_store_is_folded_in_once(store: Store, place: Path) -> None:
    write(store, "a")
    for _ in range(3):
        store.checkpoint()
    before = place.stat().st_mtime_ns
    os.utime(place, ns=(before, before - 1000))
    store.checkpoint()
    assert place.stat().st_mtime_ns == before - 1000


def test_a_reader_that_holds_an_old_state_delays_the_checkpoint_only(
    store: Store, place: Path, tmp_path: Path
) -> None:
    with store.read() as tx:
        tx.execute(text("SELECT 1 FROM duties")).all()
        write(store, "a")
        write(store, "b")
        store.checkpoint()
        store.checkpoint()
    store.checkpoint()
    assert in_the_file_alone(place, tmp_path) == ["a", "b"]


def test_a_store_behind_a_link_is_folded_in_and_copied_whole(
    store: Store, place: Path, tmp_path: Path
) -> None:
    store.close()
    (tmp_path / "disk").mkdir()
    real = place.rename(tmp_path / "disk" / "real.sqlite3")
    place.symlink_to(real)
    linked = Store(f"sqlite:///{place}")
    linked.migrate()
    write(linked, "a")
    assert linked.file
    assert linked.file.was_left_open
    with copies.opened(place) as opened:
        assert opened.execute("SELECT name FROM duties").fetchall() == [("a",)]
    linked.checkpoint(at_once=True)
    assert in_the_file_alone(real, tmp_path) == ["a"]
    beside = Store(f"sqlite:///{real}")
    beside.migrate()
    assert beside.file
    assert not beside.file._checkpoints()  # by whatever name a process knows it, the file has one
    beside.close()
    linked.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a file that another user may not open")
@pytest.mark.process
def test_a_checkpoint_that_is_not_possible_is_logged_and_stops_nothing(
    store: Store, place: Path, tmp_path: Path
) -> None:
    store.migrate()
    store.close()
    for path in (tmp_path, *tmp_path.iterdir()):
        os.chown(path, 10001, 10001)
    place.with_name(f"{place.name}.checkpoint").touch(mode=0o600)  # of root

    def act() -> str:
        opened = Store(f"sqlite:///{place}")
        write(opened, "a")
        with structlog.testing.capture_logs() as logged:
            opened.checkpoint(at_once=True)
        return str(logged)

    said = as_user(10001, tmp_path, act)
    assert "store.checkpoint_failed" in said
    assert f"{place}.checkpoint cannot be written by user 10001:10001" in said


def test_a_writer_waits_so_long_and_no_longer_for_its_turn_and_for_another_process(place: Path) -> None:
    store = Store(f"sqlite:///{place}", busy_seconds=0.05)
    write(store, "a")
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperationalError, match="database is locked"):
            write(store, "b")
    assert store.file
    with store.file.writing, pytest.raises(OperationalError, match="database is locked"):
        write(store, "c")
    write(store, "d")
    store.close()


def delete(place: Path) -> None:
    place.unlink()


def replace_as_rsync_does(place: Path) -> None:
    shutil.copy(place, new := place.with_name("new"))
    new.rename(place)


def move_away(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))


def delete_its_log(place: Path) -> None:
    place.with_name(f"{place.name}-wal").unlink()


@pytest.mark.parametrize("act", [delete, replace_as_rsync_does, move_away, delete_its_log])
def test_a_file_that_is_deleted_or_replaced_while_it_is_open_takes_no_write_and_is_told(
    store: Store, place: Path, act: Callable[[Path], None]
) -> None:
    write(store, "before")
    act(place)
    with pytest.raises(DatabaseError, match="while Sauron had it open"):
        write(store, "lost")
    assert store.damage is not None
    assert store.damage.path == place


@pytest.mark.parametrize("act", [delete, replace_as_rsync_does])
def test_nothing_is_read_from_a_file_that_is_gone_nor_an_empty_one_made_in_its_place(
    store: Store, place: Path, act: Callable[[Path], None]
) -> None:
    with store.read():  # the next reader needs a connection of its own
        act(place)
        with pytest.raises(DatabaseError, match="deleted or replaced"), store.read():
            pass
    assert place.exists() is (act is replace_as_rsync_does)
