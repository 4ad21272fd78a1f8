"""Statements of the hot path: compiled once from SQLAlchemy's expressions, executed on the driver's cursor.

SQLAlchemy builds parameters and describes the columns of a result at each call; for the thirty columns of a
run that costs more than the statement itself. What a statement says, and how each value is written and read,
still comes from the expression and the types of its columns, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, TypeDecorator
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import Executable

CHANGED = "changed"  # in a connection's `info`: its transaction has changed a row

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in the words of one dialect: its text, its parameters, and how a row is read."""

    text: str
    names: tuple[str, ...]  # in the order of their numbers, where they have numbers
    constants: Mapping[str, Any]
    written: Sequence[tuple[str, Convert]]
    read: Sequence[tuple[int, Convert]]
    row: Callable[[Sequence[Any]], Any]
    writes: bool

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {**self.constants, **given}
        for name, convert in self.written:
            if values[name] is not None:
                values[name] = convert(values[name])
        return values

    def as_row(self, columns: Sequence[Any]) -> Any:
        if self.read:
            columns = list(columns)
            for place, convert in self.read:
                if columns[place] is not None:
                    columns[place] = convert(columns[place])
        return self.row(columns)


class Statement:
    """One statement. Its rows have the names of their columns, as far as these differ.

    Limit: the text is fixed, so a list of any length (`in_`) cannot be a parameter.
    """

    def __init__(self, expression: Executable, *, columns: Sequence[str] | None = None) -> None:
        """Execute `expression`; of an insert without values, `columns` are those that its rows have."""
        self._expression = expression
        self._columns = columns
        self._by_dialect: dict[str, _Compiled] = {}

    def text(self, dialect: str) -> str:
        """Return what is sent to a database, `sqlite` or `postgresql`."""
        return self._compiled(dialect).text

    def first(self, tx: Connection, values: Mapping[str, Any]) -> Any | None:
        """Execute it in the transaction and return its first row, or None. Raises DBAPIError."""
        compiled = self._compiled(tx.dialect.name)
        columns = self._execute(tx, compiled, values).fetchone()
        return None if columns is None else compiled.as_row(columns)

    def value(self, tx: Connection, values: Mapping[str, Any]) -> Any:
        """Execute it and return the first column of its first row, None without a row. Raises DBAPIError."""
        row = self.first(tx, values)
        return None if row is None else row[0]

    def all(self, tx: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Execute it in the transaction and return its rows. Raises DBAPIError."""
        compiled = self._compiled(tx.dialect.name)
        return [compiled.as_row(columns) for columns in self._execute(tx, compiled, values).fetchall()]

    def changed(self, tx: Connection, values: Mapping[str, Any]) -> int:
        """Execute it in the transaction and return how many rows it changed. Raises DBAPIError."""
        changed: int = self._execute(tx, self._compiled(tx.dialect.name), values).rowcount
        return changed

    def changed_by_each(self, tx: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Execute it with each of `rows`; return how many rows of the table changed. Raises DBAPIError."""
        compiled = self._compiled(tx.dialect.name)
        given = [compiled.parameters(row) for row in rows]
        if tx.dialect.name == "sqlite":
            done = self._done(tx, compiled, lambda raw: raw.executemany(compiled.text, given))
        else:
            done = self._done(tx, compiled, lambda raw: _sent_each(raw, compiled, given))
        changed: int = done.rowcount
        return changed

    def _execute(self, tx: Connection, compiled: _Compiled, values: Mapping[str, Any]) -> Any:
        given = compiled.parameters(values)
        if tx.dialect.name == "sqlite":
            return self._done(tx, compiled, lambda raw: raw.execute(compiled.text, given))
        return self._done(
            tx, compiled, lambda raw: _sent(raw, compiled, given, prepare=raw.prepare_threshold is not None)
        )

    @staticmethod
    def _done(tx: Connection, compiled: _Compiled, execute: Callable[[Any], Any]) -> Any:
        """Return the cursor of what `execute` did with the driver's connection."""
        try:
            cursor = execute(tx.connection.dbapi_connection)
        except tx.dialect.loaded_dbapi.Error as error:
            raise explained(error, tx.dialect, compiled.text) from error
        if compiled.writes and cursor.rowcount > 0:
            tx.info[CHANGED] = True
        return cursor

    def send(self, raw: Any, values: Mapping[str, Any]) -> Callable[[], Any | None]:
        """Execute it on psycopg's connection, prepared; return what fetches its first row, or None."""
        compiled = self._compiled("postgresql")
        cursor = _sent(raw, compiled, compiled.parameters(values), prepare=True)

        def fetch() -> Any | None:
            columns = cursor.fetchone()
            return None if columns is None else compiled.as_row(columns)

        return fetch

    def _compiled(self, dialect: str) -> _Compiled:
        found = self._by_dialect.get(dialect)
        if found is None:
            found = self._by_dialect[dialect] = _compile(self._expression, _dialect(dialect), self._columns)
        return found


def command(tx: Connection, text: str) -> None:
    """Execute a command of SQLite that begins or ends a transaction. Raises DBAPIError."""
    raw: Any = tx.connection.dbapi_connection
    try:
        raw.execute(text)
    except tx.dialect.loaded_dbapi.Error as error:
        raise explained(error, tx.dialect, text) from error


def explained(error: Exception, dialect: Dialect, text: str | None = None) -> DBAPIError:
    """Return the driver's error as SQLAlchemy would raise it."""
    known: Any = DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, dialect=dialect)
    return known  # type: ignore[no-any-return]


def _sent(raw: Any, compiled: _Compiled, given: Mapping[str, Any], *, prepare: bool) -> Any:
    """Execute it with psycopg. The text goes to the server as it is: the usual cursor would parse it."""
    import psycopg

    return psycopg.RawCursor(raw).execute(
        compiled.text, [given[name] for name in compiled.names], prepare=prepare
    )


def _sent_each(raw: Any, compiled: _Compiled, given: Iterable[Mapping[str, Any]]) -> Any:
    import psycopg

    cursor = psycopg.RawCursor(raw)
    cursor.executemany(compiled.text, [[one[name] for name in compiled.names] for one in given])
    return cursor


def _dialect(name: str) -> Dialect:
    if name == "sqlite":
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="named")
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    from .postgres.engine import dumps

    made: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar", json_serializer=dumps)  # type: ignore[no-untyped-call]
    made.dbapi = PGDialect_psycopg.import_dbapi()  # type: ignore[no-untyped-call]
    return made


def _compile(expression: Executable, dialect: Dialect, columns: Sequence[str] | None) -> _Compiled:
    compiled: Any = expression.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined]
    names = tuple(dict.fromkeys(compiled.positiontup or compiled.binds))
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    written = compiled._bind_processors  # noqa: SLF001 - as below
    for name in constants.keys() & written.keys():
        constants[name] = written[name](constants[name])
    selected = compiled._result_columns  # noqa: SLF001 - SQLAlchemy tells nobody else which types a result has
    processors = [
        (place, column.type.dialect_impl(dialect).result_processor(dialect, None))
        for place, column in enumerate(selected)
        if dialect.name == "sqlite" or isinstance(column.type, TypeDecorator)  # psycopg reads its own types
    ]
    row = namedtuple("Row", [str(column.keyname) for column in selected], rename=True)  # type: ignore[misc] # noqa: PYI024 - named by what is selected
    return _Compiled(
        text=str(compiled),
        names=names,
        constants={name: str(one) if isinstance(one, str) else one for name, one in constants.items()},
        written=[(name, written[name]) for name in names if name in written and name not in constants],
        read=[(place, convert) for place, convert in processors if convert is not None],
        row=row._make,
        writes=compiled.isinsert or compiled.isupdate or compiled.isdelete,
    )
