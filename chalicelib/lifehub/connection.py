"""The connection to Life Hub: made when it is needed, and never waited for longer than its patience.

A server may be gone, slow, or frozen (it holds the connection and answers nothing). The server's own limits
end slow statements; against a frozen one a timer shuts the socket down, so that every transaction ends in
bounded time. What a fault says of itself is told without the password and without the values of the row at
fault.

Limit: looking up the host's name is the operating system's and keeps its limits.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy.engine import make_url

from chalicelib.errors import SauronError
from chalicelib.postgresql import tls
from sauron_jobs_loader.masking import MASK

if TYPE_CHECKING:
    import psycopg

NAME = "sauron"
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
SECRET_WORDS = ("password", "sslpassword")


class LifeHubError(SauronError):
    """Life Hub cannot be used; the message says why and holds no password."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a connection may take to be made, and a transaction to end."""

    connect: float = 10.0
    batch: float = 60.0


class Link:
    """One connection to Life Hub, made again after a fault. For one thread at a time."""

    def __init__(self, url: str, patience: Patience, *, ca: str | None = None) -> None:
        """Read the address (SQLAlchemy's form) without touching it; its server is verified with `ca`."""
        self._url = make_url(url)
        self._patience = patience
        self._ca = ca
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """Open a transaction, committed at the end of the block. Raises LifeHubError."""
        import psycopg

        out_of_time = threading.Event()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
            connection = self._connection
            with _watched(connection, self._patience.batch, out_of_time), connection.transaction():
                self._limit(connection)
                yield connection
        except (psycopg.Error, OSError, ValueError) as error:
            with contextlib.suppress(psycopg.Error):
                self.close()
            late = f"Life Hub did not answer within {self._patience.batch:g} s"
            raise LifeHubError(late if out_of_time.is_set() else self.told(error)) from error

    def told(self, error: Exception) -> str:
        """Say in one line what a fault is, without password and without the values of a row."""
        primary = getattr(getattr(error, "diag", None), "message_primary", None)
        words = tls.advised(primary or str(error).strip() or type(error).__name__)
        secrets = [self._url.password, *(self._url.query.get(word) for word in SECRET_WORDS)]
        for secret in (one for one in secrets if isinstance(one, str) and one):
            words = words.replace(secret, MASK).replace(quote(secret, safe=""), MASK)
        return " ".join(words.split())[:1000]

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        import psycopg
        from psycopg.rows import dict_row

        wanted: dict[str, Any] = {"application_name": NAME, **KEEPALIVES, **self._url.query}
        wanted |= self._url.translate_connect_args(username="user", database="dbname")
        wanted |= tls.arguments(self._url, self._ca)
        wanted["connect_timeout"] = max(2, round(self._patience.connect))
        # Nothing is prepared: a table that changes under us would make a prepared statement fail.
        return psycopg.connect(**wanted, row_factory=dict_row, autocommit=True, prepare_threshold=None)

    def _limit(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        """Set this transaction's limits; a constraint that would wait for its end speaks at its row."""
        # the server says which it was
        limits = [f"{max(1, round(self._patience.batch * share))}ms" for share in (900, 500)]
        connection.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
            "set_config('timezone', 'UTC', true)",
            limits,
        )
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


def own(connection: psycopg.Connection[dict[str, Any]], scheduler: str) -> bool:
    """Take the lock by which one publisher at a time writes for a scheduler, until the transaction ends."""
    key = zlib.crc32(f"sauron life hub {scheduler}".encode()) << 16
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s::bigint) AS had", (key,)).fetchone()
    return bool(row and row["had"])


@contextlib.contextmanager
def _watched(
    connection: psycopg.Connection[dict[str, Any]], seconds: float, out_of_time: threading.Event
) -> Iterator[None]:
    """Shut the connection's socket down if the block takes longer, so that no read waits for ever."""
    with socket.socket(fileno=os.dup(connection.fileno())) as twin:

        def end() -> None:
            out_of_time.set()
            with contextlib.suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
