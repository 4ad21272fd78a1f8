"""Statements compiled once and executed on the driver's own cursor.

SQLAlchemy describes the columns of a result at each call; for thirty columns that costs as much as the round
trip to the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import Executable

from chalicelib.store.database import Tx


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement: its text, and the names of its parameters in the order of their numbers."""

    text: str
    names: tuple[str, ...]

    def send(self, connection: Any, values: dict[str, Any], *, prepare: bool) -> Any:
        """Execute it on the driver's connection; return the cursor. The text goes to the server as it is."""
        import psycopg

        return psycopg.RawCursor(connection).execute(  # the usual cursor would parse it at each call
            self.text, [values[name] for name in self.names], prepare=prepare
        )


def compiled(statement: Executable) -> Statement:
    """Compile a statement for psycopg; to be done once per process and statement."""
    dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    return Statement(str(compiled), tuple(dict.fromkeys(compiled.positiontup)))


def first_row(tx: Tx, statement: Statement, values: dict[str, Any]) -> tuple[Any, ...] | None:
    """Execute a statement in the transaction and return its first row, or None. Raises DBAPIError."""
    import psycopg

    connection: Any = tx.connection.dbapi_connection
    prepare = connection.prepare_threshold is not None
    try:
        row: tuple[Any, ...] | None = statement.send(connection, values, prepare=prepare).fetchone()
    except psycopg.Error as error:
        raise DBAPIError.instance(statement.text, None, error, psycopg.Error, dialect=tx.dialect) from error
    return row
