"""Wake-ups between runners that share a PostgreSQL: LISTEN and NOTIFY.

A notification carries nothing: it says "look at the store". It may be lost (a connection that broke) or come
twice, and both are harmless: a listener is woken once after every connection, and a runner looks anyway when
its next run is due and once a minute.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.model.backoff import Backoff
from chalicelib.postgresql import tls
from chalicelib.store.database import Store

if TYPE_CHECKING:
    import psycopg

log = logs.get(__name__)

CHANNEL = "sauron_due"
PAUSES = Backoff.doubling(
    timedelta(seconds=0.2), timedelta(seconds=30), spread=(0.5, 1.0)
)  # between connections
LOOK_SECONDS = 5.0  # how soon a listener sees that it is to stop
CONNECT_SECONDS = 10


class Notifier:
    """Notifies and listens on one PostgreSQL store. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._random = random.SystemRandom()

    def notify(self) -> None:
        """Wake every runner of the store. If it cannot be reached, no runner is woken and nothing is lost."""
        with contextlib.suppress(SQLAlchemyError), self._store.engine.connect() as connection:
            connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
            connection.commit()

    def listen(self, stopping: threading.Event, on_notify: Callable[[], None]) -> None:
        """Call `on_notify` at every notification until told to stop.

        A connection that breaks is made again, after pauses that grow.
        """
        import psycopg

        failures = 0
        while not stopping.is_set():
            try:
                with self.connected() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    failures = 0
                    on_notify()  # something may have been due while this did not listen
                    while not stopping.is_set():
                        for _notice in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                            on_notify()
            except psycopg.Error as error:
                log.warning("notify.connection_lost", reason=tls.advised(str(error).strip()))
                failures += 1
                stopping.wait(PAUSES.delay(failures, self._random.random()).total_seconds())

    def connected(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of its own to the store. Raises psycopg.Error."""
        import psycopg

        # psycopg's, which libpq does not know
        ours = self._store.url.difference_update_query(["prepare_threshold"])
        address = ours.set(drivername="postgresql").render_as_string(hide_password=False)
        arguments: dict[str, Any] = tls.arguments(self._store.url, self._store.ca)
        arguments |= {"connect_timeout": CONNECT_SECONDS, "keepalives_idle": 30}
        return psycopg.connect(address, autocommit=True, **arguments)
