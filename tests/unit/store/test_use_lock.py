from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import StoreError
from chalicelib.store import Store
from chalicelib.store.use_lock import UseLock, alone


@pytest.mark.slow
def test_a_store_that_is_being_replaced_is_opened_by_nobody(tmp_path: Path) -> None:
    place = tmp_path / "store.sqlite3"
    store = Store(f"sqlite:///{place}")
    with (
        alone(place),
        pytest.raises(StoreError, match=r"store\.sqlite3 is being replaced by `sauron restore`\. Wait"),
    ):
        store.migrate()
    assert not place.exists()
    assert store.migrate()
    store.close()


def test_a_store_that_is_in_use_is_not_replaced(store: Store) -> None:
    assert store.path
    store.migrate()
    with pytest.raises(StoreError, match=r"Another process has .* open"), alone(store.path):
        pass
    store.close()
    with alone(store.path):
        pass


def test_many_use_a_store_at_once_and_each_lets_go_of_its_own(tmp_path: Path) -> None:
    one, two = (UseLock(tmp_path / "store") for _ in range(2))
    one.share()
    one.share()
    two.share()
    one.release()
    with pytest.raises(StoreError), alone(tmp_path / "store"):
        pass
    two.release()
    two.release()
    with alone(tmp_path / "store"):
        pass


def test_a_store_whose_restore_was_cut_off_is_not_begun_anew(tmp_path: Path) -> None:
    place = tmp_path / "store.sqlite3"
    (tmp_path / "store.sqlite3.restoring").touch()
    store = Store(f"sqlite:///{place}")
    with pytest.raises(StoreError, match=r"restore of .*store\.sqlite3 was cut off.*sauron restore FILE"):
        store.migrate()
    assert not place.exists()


def test_the_lock_file_is_open_to_its_owner_alone(store: Store) -> None:
    assert store.path
    store.migrate()
    assert store.path.with_name(f"{store.path.name}.lock").stat().st_mode & 0o777 == 0o600
