"""PostgreSQL's side of the store: connections that cannot hang.

A connection waits 10 s to be made, a statement 30 s, a lock 20 s; one left in the middle of a transaction is
ended by the server after a minute, and a peer that vanished is noticed by keepalives. How the server is
verified is in `chalicelib.postgresql.tls`. Whatever the URL says wins: TLS (`sslmode`, `sslrootcert`),
`options`, `application_name`. Behind a pooler that shares sessions,
write `?prepare_threshold=0`: nothing is prepared then, and no options are sent, because such poolers refuse
both.

A connection lost in a transaction raises OperationalError: nothing of it was done, unless it was lost while
committing.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError

from chalicelib.model.backoff import Backoff
from chalicelib.postgresql import tls
from chalicelib.text import storable

T = TypeVar("T")
POOL, OVERFLOW = 8, 24  # connections kept, and more of them while many attempts end at once
POOL_SECONDS = 30.0  # to wait for one of them
IDLE_SECONDS = 5.0  # a connection that lay unused for longer is tried before it is given out
CONNECT_SECONDS = 10
PREPARE_AFTER = 3  # the same statement was sent so often
PAUSES = Backoff.doubling(
    timedelta(seconds=0.05), timedelta(seconds=1), spread=(0.5, 1.5)
)  # between tries to connect
PATIENCE_SECONDS = 5.0  # for a server that cannot be reached: it may be starting again
# Plans are made once per connection, maybe while the tables were empty: they go by the indexes whatever was
# there then.
PLANS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off"
LIMITS = (
    "-c statement_timeout=30000 -c lock_timeout=20000 -c idle_in_transaction_session_timeout=60000"
    " -c timezone=UTC"
    " -c default_transaction_isolation=read\\ committed"
)
_HOPELESS = (
    "authentication failed",
    "no password",
    "does not exist",
    "support SSL",
    "certificate",
    "permission denied",
    "no pg_hba",
    "authentication method requirement",
)


def engine(url: URL, ca: str | None = None) -> Engine:
    """Make the engine; nothing is connected yet. `ca` is what its server is verified with."""
    given = dict(url.query)
    args: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "sauron",
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    args = {name: value for name, value in args.items() if name not in given}
    threshold = given.pop("prepare_threshold", PREPARE_AFTER)
    if pipelined(url):
        args["prepare_threshold"] = int(str(threshold))
        args["options"] = " ".join((LIMITS, PLANS, str(given.pop("options", "")))).strip()
    else:
        args["prepare_threshold"] = None
    made = create_engine(
        url.set(query=given),
        connect_args=args,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=POOL_SECONDS,
        pool_recycle=1800,
        pool_use_lifo=True,
        json_serializer=dumps,
    )

    @event.listens_for(made, "do_connect")
    def verify(_dialect: object, _record: object, _args: object, params: dict[str, Any]) -> None:
        params.update(tls.arguments(url, ca))

    @event.listens_for(made, "checkin")
    def used(_connection: object, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(made, "checkout")
    def alive(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", math.inf) <= IDLE_SECONDS:  # or it is new
            return
        try:
            made.dialect.do_ping(connection)
        except made.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool makes another

    return made


def connect(take: Callable[[], T]) -> T:
    """Take a connection; retry an unreachable server for PATIENCE_SECONDS at random intervals."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    failures = 0
    while True:
        failures += 1
        pause = PAUSES.delay(failures, random.random()).total_seconds()  # noqa: S311 - runners must not come at once
        try:
            return take()
        except OperationalError as error:
            if time.monotonic() + pause > give_up or any(word in str(error.orig) for word in _HOPELESS):
                raise
        time.sleep(pause)


@contextlib.contextmanager
def direct(made: Engine) -> Iterator[Any]:
    """Hand out the driver's connection in autocommit: one pipeline is one transaction and one round trip."""
    import psycopg

    def explained(error: psycopg.Error) -> DBAPIError:
        known: Any = DBAPIError.instance(None, None, error, psycopg.Error, dialect=made.dialect)
        return known  # type: ignore[no-any-return]

    def take() -> PoolProxiedConnection:
        try:
            return made.raw_connection()
        except psycopg.Error as error:
            raise explained(error) from error

    pooled = connect(take)
    raw: Any = pooled.dbapi_connection
    try:
        raw.autocommit = True
        yield raw
    except psycopg.Error as error:
        raise explained(error) from error
    finally:
        if raw.closed:
            pooled.invalidate()
        else:
            raw.autocommit = False
        pooled.close()


def pipelined(url: URL) -> bool:
    """Say whether statements may be prepared and pipelined: not behind a pooler that shares sessions."""
    return int(str(url.query.get("prepare_threshold") or PREPARE_AFTER)) > 0


def victim(error: DBAPIError) -> bool:
    """Say whether the server ended this transaction in favour of another, so that a retry may succeed."""
    return getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}


def dumps(value: Any) -> str:
    """Write JSON as JSONB takes it: no NUL, no lone surrogate, no NaN or infinity."""
    try:
        written = json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(storable(value))
    return json.dumps(storable(value)) if "\\u0000" in written or "\\ud" in written else written


def lacking(tx: Connection, tables: Sequence[str]) -> list[str]:
    """Return those of the tables that are not there."""
    wanted = "SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NULL"
    return [f"the table {name}" for name in tx.execute(text(wanted), {"names": list(tables)}).scalars()]
