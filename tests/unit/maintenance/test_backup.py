from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.errors import StoreError
from chalicelib.maintenance.backup import backup
from chalicelib.settings import Settings
from chalicelib.store import Store, copies
from tests.conftest import ManualClock, define
from tests.other_user import as_user


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({"SAURON_BACKUP_DIR": str(tmp_path / "copies"), "SAURON_KEEP_BACKUPS": "2"})


def test_a_copy_made_after_the_clock_was_set_back_is_kept(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    early = [backup(store, clock, settings).file for _ in range(2) if clock.move(days=1)]
    clock.move(days=-30)
    made = backup(store, clock, settings)
    assert made.file.exists()
    assert [file.exists() for file in early] == [False, True]
    assert made.kept == 2


def test_only_daily_copies_are_deleted(
    store: Store, clock: ManualClock, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    own = folder / "sauron-before-the-move.sqlite3"
    own.touch()
    for _ in range(4):
        clock.move(days=1)
        backup(store, clock, settings)
    assert own.exists()
    assert len(list(folder.iterdir())) == 3


def test_the_last_good_copies_stay_while_the_store_is_damaged(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    settings = Settings.read({"SAURON_KEEP_BACKUPS": "2"})
    define(store, clock, "a", "0 0 1 1 *")
    kept = [backup(store, clock, settings).file for _ in range(2) if clock.move(days=1)]
    store.checkpoint(at_once=True)
    store.close()
    assert store.path
    with store.path.open("r+b") as stream:
        stream.seek(-8192, 2)
        stream.write(b"\xff" * 8192)
    for _ in range(4):
        clock.move(days=1)
        with pytest.raises(StoreError, match="is damaged"):
            backup(store, clock, settings)
    assert sorted((tmp_path / "backups").iterdir()) == kept
    assert store.damage
    assert store.damage.newest_copy == kept[-1]


def test_bad_copies_of_before_do_not_push_out_the_good_ones(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    good = backup(store, clock, settings).file
    bad = good.with_name("sauron-20260401-020000.sqlite3")
    bad.write_bytes(good.read_bytes()[:5000])
    clock.move(days=1)
    made = backup(store, clock, settings).file
    there = copies.daily(good.parent)
    assert made in there
    assert good in there


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes files of another user")
@pytest.mark.process
@pytest.mark.parametrize("there", [False, True], ids=["to be made", "of root"])
def test_a_folder_that_cannot_be_written_is_told_with_the_line_that_cures_it(
    store: Store, clock: ManualClock, tmp_path: Path, there: bool
) -> None:
    store.migrate()
    store.close()
    for path in (tmp_path, *tmp_path.iterdir()):
        os.chown(path, 10001, 10001)
    disk = tmp_path / "disk"
    folder = disk / "copies"
    disk.mkdir()
    if there:
        folder.mkdir(mode=0o755)
    settings = Settings.read({"SAURON_BACKUP_DIR": str(folder)})

    def act() -> str:
        with pytest.raises(StoreError) as refused:
            backup(store, clock, settings)
        return str(refused.value)

    said = as_user(10001, tmp_path, act)
    assert f"{folder if there else disk} cannot be written by user 10001:10001" in said
    line = f"chown -R 10001:10001 {folder}" if there else f"mkdir -p {folder} && chown 10001:10001 {folder}"
    assert said.endswith(f"Run as root: {line}")


def test_what_a_kill_left_of_a_copy_is_removed(store: Store, clock: ManualClock, settings: Settings) -> None:
    folder = Path(str(settings.backup_dir))
    folder.mkdir()
    for end in ("", "-journal"):
        (folder / f"sauron-20260101-020000.sqlite3.partial{end}").touch()
    made = backup(store, clock, settings)
    assert list(folder.iterdir()) == [made.file]


def test_a_log_beside_the_store_counts_for_the_room_that_a_copy_takes(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    store.migrate()
    with store.write() as tx:
        tx.exec_driver_sql("INSERT INTO duties (name, at) VALUES ('x', ?)", ("y" * 2_000_000,))
    assert store.path
    size = store.path.stat().st_size
    with pytest.raises(StoreError, match="has 1 MB free and a copy takes 2 MB"):
        backup(store, clock, settings, free_bytes=lambda _: 2 * size + (1 << 20))
