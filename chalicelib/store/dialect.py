"""One row, written whether it is there or not, in one statement: two writers at once both succeed, and the later one stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from chalicelib.text import storable

from .database import Tx


def upsert(
    tx: Tx,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    first: Mapping[str, Any] | None = None,
) -> sqlite.Insert | postgresql.Insert:
    """Return the statement that sets `values` of the row with this key; a new row gets `first` as well."""
    new = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    statement = new(table).values(
        {name: _kept(value) for name, value in {**key, **values, **(first or {})}.items()}
    )
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={name: statement.excluded[name] for name in values}
    )


def _kept(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value
