"""Acts of several threads that wait share one commit, and each stands or falls alone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from chalicelib.store import Store
from chalicelib.store.database import Tx

PUT = text("INSERT INTO duties (name, at) VALUES (:name, '2026-01-01T00:00:00.000000Z')")


@pytest.fixture
def commits() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, commits: list[str], empty_store: Path) -> Iterator[Store]:
    shutil.copy(empty_store, tmp_path / "store.sqlite3")
    made = Store(f"sqlite:///{tmp_path}/store.sqlite3", busy_seconds=20)

    @event.listens_for(made.engine, "connect")
    def trace(connection: Any, _record: object) -> None:
        connection.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)

    yield made
    made.close()


def names(store: Store) -> set[str]:
    with store.read() as tx:
        return set(tx.execute(text("SELECT name FROM duties")).scalars())


def put(name: str) -> Callable[[Tx], str]:
    def act(tx: Tx) -> str:
        tx.execute(PUT, {"name": name})
        return name

    return act


class Together:
    """Threads whose acts wait while another transaction is open."""

    def __init__(self, store: Store, acts: list[Callable[[Tx], Any]]) -> None:
        self.results: dict[int, Any] = {}
        self._store = store
        self._threads = [
            threading.Thread(target=self._run, args=(number, act)) for number, act in enumerate(acts)
        ]

    def _run(self, number: int, act: Callable[[Tx], Any]) -> None:
        try:
            self.results[number] = self._store.writing(act)
        except Exception as error:  # noqa: BLE001 - what the act's own thread is told
            self.results[number] = error

    def go(self) -> dict[int, Any]:
        waiting = self._store._writer._waiting  # type: ignore[union-attr]
        with self._store.write():
            for thread in self._threads:
                thread.start()
            while len(waiting) < len(self._threads):
                threading.Event().wait(0.001)
        for thread in self._threads:
            thread.join(60)
        return self.results


def test_acts_that_wait_are_committed_at_once(store: Store, commits: list[str]) -> None:
    store.writing(put("first"))
    commits.clear()
    assert Together(store, [put(f"n{number}") for number in range(8)]).go() == {
        number: f"n{number}" for number in range(8)
    }
    assert len(commits) == 2  # of the transaction that they waited for, and of all of them
    assert names(store) == {"first", *(f"n{number}" for number in range(8))}


def test_an_act_that_fails_is_undone_alone_and_told_to_its_own_thread(store: Store) -> None:
    def half(tx: Tx) -> None:
        tx.execute(PUT, {"name": "half"})
        tx.execute(PUT, {"name": "taken"})

    store.writing(put("taken"))
    results = Together(store, [put("a"), half, put("b")]).go()
    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], IntegrityError)
    assert names(store) == {"taken", "a", "b"}


def test_a_transaction_that_is_lost_is_told_to_every_act_of_it(store: Store) -> None:
    def lose(tx: Tx) -> None:
        tx.connection.dbapi_connection.rollback()  # type: ignore[union-attr] # as SQLite does on a full disk
        raise ValueError("lost")

    results = Together(store, [put("a"), lose, put("b")]).go()
    assert isinstance(results[1], ValueError)
    assert names(store) - {"a", "b"} == names(store)
    assert {type(results[0]), type(results[2])} == {OperationalError}
    assert store.writing(put("after")) == "after"


def test_what_is_done_alone_and_fails_leaves_nothing(store: Store) -> None:
    def fail(tx: Tx) -> None:
        put("x")(tx)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.writing(fail)
    with pytest.raises(ValueError, match="no"), store.write() as tx:
        fail(tx)
    assert names(store) == set()
    assert store.writing(put("y")) == "y"


def test_an_act_whose_turn_does_not_come_is_not_done_later(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "store.sqlite3")
    made = Store(f"sqlite:///{tmp_path}/store.sqlite3", busy_seconds=0.05)
    with made.write():
        assert isinstance(_refused(made), OperationalError)
    made.writing(put("later"))
    assert names(made) == {"later"}
    made.close()


def _refused(store: Store) -> Any:
    said: list[Any] = []

    def act() -> None:
        try:
            store.writing(put("late"))
        except OperationalError as error:
            said.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join(60)
    return said[0]
