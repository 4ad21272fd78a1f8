"""Statements of the hot path: compiled once from SQLAlchemy's expressions, executed on the driver's cursor.

SQLAlchemy builds parameters and describes the columns of a result at each call; for the thirty columns of a
run that costs more than the statement itself. What a statement says, and how each value is written and read,
still comes from the expression and the types of its columns, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, TypeDecorator
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import Executable

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

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {**self.constants, **{name: given[name] for name in self.names if name in given}}
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

    def __init__(self, expression: Executable) -> None:
        self._expression = expression
        self._by_dialect: dict[str, _Compiled] = {}

    def first(self, tx: Connection, values: Mapping[str, Any]) -> Any | None:
        """Execute it in the transaction and return its first row, or None. Raises DBAPIError."""
        compiled = self._compiled(tx.dialect.name)
        columns = self._execute(tx, compiled, values).fetchone()
        return None if columns is None else compiled.as_row(columns)

    def changed(self, tx: Connection, values: Mapping[str, Any]) -> int:
        """Execute it in the transaction and return how many rows it changed. Raises DBAPIError."""
        changed: int = self._execute(tx, self._compiled(tx.dialect.name), values).rowcount
        return changed

    def _execute(self, tx: Connection, compiled: _Compiled, values: Mapping[str, Any]) -> Any:
        raw: Any = tx.connection.dbapi_connection
        given = compiled.parameters(values)
        try:
            if tx.dialect.name == "sqlite":
                return raw.execute(compiled.text, given)
            return _sent(raw, compiled, given, prepare=raw.prepare_threshold is not None)
        except tx.dialect.loaded_dbapi.Error as error:
            raise explained(error, tx.dialect, compiled.text) from error

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
            found = self._by_dialect[dialect] = _compile(self._expression, _dialect(dialect))
        return found


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


def _dialect(name: str) -> Dialect:
    if name == "sqlite":
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="named")
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    from .postgres.engine import dumps

    made: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar", json_serializer=dumps)  # type: ignore[no-untyped-call]
    made.dbapi = PGDialect_psycopg.import_dbapi()  # type: ignore[no-untyped-call]
    return made


def _compile(expression: Executable, dialect: Dialect) -> _Compiled:
    compiled: Any = expression.compile(dialect=dialect)  # type: ignore[attr-defined]
    names = tuple(dict.fromkeys(compiled.positiontup or compiled.binds))
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    written = compiled._bind_processors  # noqa: SLF001 - as below
    for name in constants.keys() & written.keys():
        constants[name] = written[name](constants[name])
    columns = compiled._result_columns  # noqa: SLF001 - SQLAlchemy tells nobody else which types a result has
    processors = [
        (place, column.type.dialect_impl(dialect).result_processor(dialect, None))
        for place, column in enumerate(columns)
        if dialect.name == "sqlite" or isinstance(column.type, TypeDecorator)  # psycopg reads its own types
    ]
    row = namedtuple("Row", [str(column.keyname) for column in columns], rename=True)  # type: ignore[misc] # noqa: PYI024 - named by what is selected
    return _Compiled(
        text=str(compiled),
        names=names,
        constants={name: str(one) if isinstance(one, str) else one for name, one in constants.items()},
        written=[(name, written[name]) for name in names if name in written and name not in constants],
        read=[(place, convert) for place, convert in processors if convert is not None],
        row=row._make,
    )
