from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from chalicelib.errors import StoreError
from chalicelib.maintenance.restore import restore
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, history, registry, runners, schema
from chalicelib.store.queue import claims
from tests.conftest import ManualClock, define
from tests.other_user import as_user


@pytest.fixture
def place(store: Store) -> Path:
    assert store.path
    return store.path


def cut_off(store: Store) -> None:
    """Leave the store as `kill -9` does: nothing is folded in, the -wal and -shm stay."""
    assert store.path
    kept = store.path.with_name("kept")
    kept.mkdir()
    for end in ("", "-wal", "-shm"):
        shutil.copy(f"{store.path}{end}", kept / f"store{end}")
    store.close()
    for end in ("", "-wal", "-shm"):
        shutil.copy(kept / f"store{end}", f"{store.path}{end}")
    assert Path(f"{store.path}-wal").stat().st_size > 0


def switched_off(path: Path) -> list[str]:
    opened = Store(f"sqlite:///{path}")
    opened.migrate()
    with opened.read() as tx:
        found = [str(job.id) for job in registry.all_jobs(tx) if not job.enabled]
    opened.close()
    return found


def test_what_was_done_after_the_copy_is_gone_although_a_log_of_it_was_left(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    store.backup(tmp_path / "copy")
    Operations(store, clock).disable("a", SwitchRequest(reason=None, until=None, by="me"))
    cut_off(store)
    done = restore(place, tmp_path / "copy", clock, runners=[])
    assert switched_off(place) == []
    assert done.aside == place.with_name("store.sqlite3.before-restore-20260302-120030")
    assert switched_off(done.aside) == ["a"]  # with what lay in its log


def test_the_way_back_is_to_restore_the_store_of_before(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    store.backup(tmp_path / "copy")
    Operations(store, clock).disable("a", SwitchRequest(reason=None, until=None, by="me"))
    cut_off(store)
    aside = restore(place, tmp_path / "copy", clock, runners=[]).aside
    assert aside
    clock.move(seconds=1)
    restore(place, aside, clock, runners=[])
    assert switched_off(place) == ["a"]


def test_a_store_is_restored_where_there_is_none(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    store.backup(tmp_path / "copy")
    done = restore(tmp_path / "other" / "new.sqlite3", tmp_path / "copy", clock, runners=[])
    assert done.aside is None
    assert {file.name for file in (tmp_path / "other").iterdir()} == {"new.sqlite3", "new.sqlite3.lock"}
    assert (tmp_path / "other" / "new.sqlite3").stat().st_mode & 0o777 == 0o600


def test_while_a_runner_lives_nothing_is_restored(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match=r"Sauron is running on .* \(box-1\)\. Stop it"):
        restore(place, tmp_path / "copy", clock, runners=["box-1"])
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.process
def test_a_store_that_another_process_has_open_is_not_restored(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    store.close()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM duties').fetchall();"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout
        reader.stdout.readline()
        with pytest.raises(StoreError, match=r"Another process has .* open"):
            restore(place, tmp_path / "copy", clock, runners=[])
        os.kill(reader.pid, signal.SIGKILL)
    assert list(tmp_path.glob("*restor*")) == []
    assert restore(place, tmp_path / "copy", clock, runners=[]).aside


def test_a_store_that_another_sauron_has_open_is_not_restored(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    with pytest.raises(StoreError, match=r"Another process has .* open"):
        restore(place, tmp_path / "copy", clock, runners=[])
    assert list(tmp_path.glob("*restor*")) == []


def test_a_restore_that_was_cut_off_after_the_store_was_set_aside_is_done_again(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    store.close()
    place.rename(f"{place}.before-restore-20260302-115959")
    place.with_name(f"{place.name}.restoring").write_bytes(b"half of it")
    Path(f"{place}-wal").write_bytes(b"a log without its store")
    done = restore(place, tmp_path / "copy", clock, runners=[])
    assert done.aside is None
    assert not Path(f"{place}-wal").exists()
    assert not place.with_name(f"{place.name}.restoring").exists()
    assert switched_off(place) == []


def test_a_store_behind_a_link_is_restored_where_it_lies(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    store.close()
    (tmp_path / "disk").mkdir()
    real = place.rename(tmp_path / "disk" / "real.sqlite3")
    place.symlink_to(real)
    done = restore(place, tmp_path / "copy", clock, runners=[])
    assert done.store == real
    assert place.is_symlink()
    assert done.aside
    assert done.aside.parent == real.parent


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user")
@pytest.mark.process
def test_a_store_that_can_be_set_aside_in_part_only_stays_as_it_is(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    store.close()
    (tmp_path / "copy").chmod(0o644)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)  # here a file is renamed by its owner alone
    place = place.rename(shared / place.name)
    os.chown(place, 10001, 10001)
    Path(f"{place}-wal").write_bytes(b"of root")

    def act() -> str:
        with pytest.raises(StoreError) as refused:
            restore(place, tmp_path / "copy", clock, runners=[])
        return str(refused.value)

    said = as_user(10001, tmp_path, act)
    assert "cannot be written by user 10001:10001" in said
    assert {file.name for file in shared.iterdir()} == {place.name, f"{place.name}-wal", f"{place.name}.lock"}


def garbage(file: Path) -> None:
    file.write_bytes(b"this is a letter " * 1000)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def scribbled(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8192:40960] = b"\xff" * (40960 - 8192)
    file.write_bytes(content)


def other(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE notes (line TEXT)")


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("UPDATE alembic_version SET version_num = '9999'")
        opened.commit()


def poorer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("DROP TABLE outbox")
        opened.commit()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (garbage, "is not an SQLite database"),
        (cut, "is damaged"),
        (scribbled, "is damaged"),
        (other, "not a Sauron store"),
        (lambda file: file.write_bytes(b""), "not a Sauron store"),
        (newer, "newer Sauron"),
        (poorer, "is damaged: it lacks the table outbox"),
        (Path.unlink, "There is no file"),
    ],
)
def test_a_file_that_is_no_whole_store_changes_nothing(
    store: Store,
    place: Path,
    clock: ManualClock,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    says: str,
) -> None:
    copy = tmp_path / "copies" / "copy"
    copy.parent.mkdir()
    store.backup(copy)
    store.close()
    spoil(copy)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(StoreError, match=says):
        restore(place, copy, clock, runners=[])
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_the_store_itself_is_no_copy(store: Store, place: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="is the store itself"):
        restore(place, place, clock, runners=[])


def test_a_copy_of_an_earlier_schema_is_upgraded_before_it_is_put_in_place(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    with store.write() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
        schema.metadata.drop_all(tx)
        Store._upgrade(tx, "0003")
    store.backup(tmp_path / "copy")
    content = (tmp_path / "copy").read_bytes()
    store.close()
    assert restore(place, tmp_path / "copy", clock, runners=[]).holds.schema == "0003"
    with closing(sqlite3.connect(place)) as opened:
        assert opened.execute("SELECT version_num FROM alembic_version").fetchone() == (schema.HEAD,)
    assert (tmp_path / "copy").read_bytes() == content


def test_it_says_what_the_copy_holds_and_what_will_happen(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    operations = Operations(store, clock)
    define(store, clock, "hourly", "0 * * * *")
    define(store, clock, "all", "0 * * * *", catchup="all")
    define(store, clock, "off", "0 * * * *")
    define(store, clock, "once", "0 0 1 1 *", max_attempts=1)
    define(store, clock, "long", "0 0 1 1 *", max_attempts=3)
    operations.disable("off", SwitchRequest(reason="broken", until=None, by="maria"))
    tick(store, clock)
    once, long = operations.trigger("once").id, operations.trigger("long").id
    with store.write() as tx:
        for _ in range(2):
            assert claims.claim(tx, owner="gone", now=clock.now()).run
    waiting = operations.trigger("hourly").id
    store.backup(tmp_path / "copy")
    store.close()
    clock.move(hours=4)  # to 16:00:30: 13, 14, 15 and 16 o'clock passed
    holds = restore(place, tmp_path / "copy", clock, runners=[]).holds
    assert holds.newest is not None
    assert {run.id for run in holds.running} == {once, long}
    assert holds.counts["queued"] == 1
    assert [job.id for job in holds.switched] == ["off"]
    assert holds.foreseen == (("all", "queued", 4), ("hourly", "missed", 3), ("hourly", "queued", 1))
    opened = Store(f"sqlite:///{place}")
    with opened.read() as tx:
        assert {run.id for run in history.runs(tx)} == {once, long, waiting}  # looking did nothing
    report = tick(opened, clock)
    opened.close()
    assert (report.queued, report.missed) == (5, 3)


def test_a_restored_store_knows_no_runner_before_one_starts(
    store: Store, place: Path, clock: ManualClock, tmp_path: Path
) -> None:
    with store.write() as tx:
        runners.runner_seen(tx, runners.Runner("r1", "box", 7, "3.0.0", clock.now(), clock.now()))
        runners.drain(tx, "r1", draining=True)
    store.backup(tmp_path / "copy")
    store.close()
    restore(place, tmp_path / "copy", clock, runners=[])
    opened = Store(f"sqlite:///{place}")
    with opened.read() as tx:
        assert runners.all_runners(tx) == []
    opened.close()
