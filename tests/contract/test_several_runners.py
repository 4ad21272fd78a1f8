"""What runners on several machines need of a PostgreSQL store: one notifier, one clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.store import Store
from chalicelib.store.postgres.server_clock import ServerClock
from chalicelib.wakeup.notify import Notifier
from tests.life_hub import Server, ask


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def shared(server: Server) -> Iterator[Store]:
    store = Store(server.url())
    yield store
    store.close()


@pytest.fixture
def listening(shared: Store) -> Iterator[threading.Semaphore]:
    """A listener that has heard the notification of its own connection."""
    heard, stopping = threading.Semaphore(0), threading.Event()
    thread = threading.Thread(target=Notifier(shared).listen, args=(stopping, heard.release))
    thread.start()
    assert heard.acquire(timeout=20)
    yield heard
    stopping.set()
    Notifier(shared).notify()
    thread.join(20)
    assert not thread.is_alive()


def test_a_notification_reaches_a_listener_over_another_connection(
    server: Server, listening: threading.Semaphore
) -> None:
    other = Store(server.url())
    Notifier(other).notify()
    assert listening.acquire(timeout=20)
    other.close()


def test_a_listener_whose_connection_broke_listens_again_and_looks_at_once(
    server: Server, shared: Store, listening: threading.Semaphore
) -> None:
    ask(server.url(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    assert listening.acquire(timeout=20)  # the notification of the new connection
    Notifier(shared).notify()
    assert listening.acquire(timeout=20)


def test_a_listener_takes_the_address_of_a_pooler_too(server: Server) -> None:
    pooled = Store(server.url() + ("&" if "?" in server.url() else "?") + "prepare_threshold=0")
    heard, stopping = threading.Semaphore(0), threading.Event()
    thread = threading.Thread(target=Notifier(pooled).listen, args=(stopping, heard.release))
    thread.start()
    assert heard.acquire(timeout=20)
    stopping.set()
    Notifier(pooled).notify()
    thread.join(20)
    pooled.close()


def test_a_ring_that_reaches_nobody_raises_nothing() -> None:
    nowhere = Store("postgresql+psycopg://me@/none?host=/nowhere")
    Notifier(nowhere).notify()
    nowhere.close()


def test_the_clock_shows_the_servers_time_and_goes_on_without_it(shared: Store) -> None:
    # this machine's clock is wrong
    clock = ServerClock(shared, wall=lambda: time.time() + 300)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2)
    shared.close()
    assert clock.now() < clock.now()
