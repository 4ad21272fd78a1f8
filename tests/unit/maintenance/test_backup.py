from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import StoreError
from chalicelib.maintenance.backup import backup
from chalicelib.settings import Settings
from chalicelib.store import Store, copies
from tests.conftest import ManualClock, define


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
