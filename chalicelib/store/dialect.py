"""Inserts that say what to do about a row that is there: each database has its own kind."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from chalicelib.text import storable

from .database import Tx
from .driver import Statement

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert(tx: Tx, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return this database's own insert, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_of(tx.dialect.name, table)


def insert_of(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the insert of the database with this name, for a statement that is made once."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def upsert(
    tx: Tx,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    first: Mapping[str, Any] | None = None,
) -> None:
    """Set `values` of the row with this key; a new row gets `first` as well.

    Of two writers at once both succeed, and the values of the later one stay.
    """
    row = {name: _stored(value) for name, value in {**key, **values, **(first or {})}.items()}
    _upsert(tx.dialect.name, table, tuple(key), tuple(values), tuple(row)).changed(tx, row)


@functools.cache
def _upsert(
    dialect: str, table: Table, key: tuple[str, ...], values: tuple[str, ...], columns: tuple[str, ...]
) -> Statement:
    inserting = insert_of(dialect, table)
    replacing = {name: inserting.excluded[name] for name in values}
    return Statement(
        inserting.on_conflict_do_update(index_elements=list(key), set_=replacing), columns=columns
    )


def _stored(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value
