"""Writing into Life Hub's tables as they are, each row once.

They may have any columns, with or without unique constraints.

A row that Life Hub refuses for itself (a CHECK, a type, a trigger) does not keep the others out: a batch that
fails for that is written again row by row. Any other fault is raised and ends the transaction. Rows of others
are read, never changed.

A run's key is (job_key, started_at). If another run holds it, ours begins a microsecond later; `metadata`
says which run a row is, so that it is found again wherever it stands. A table without that column cannot say
it: an equal key is then taken for ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.text import storable

from .connection import LifeHubError
from .rows import Row
from .schema import DEFINITIONS, JOBS, RUNS, Column, Tables

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

    Connection = psycopg.Connection[dict[str, Any]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = 1000  # how far a run may be moved from a key that others hold
TRIES = 3  # against others who insert the same keys meanwhile
KEYS: Mapping[str, tuple[str, ...]] = {
    JOBS: ("job_key",),
    DEFINITIONS: ("job_key", "definition_hash"),
    RUNS: ("job_key", "started_at"),
}

Refused = dict[int, str]  # the position of each row that Life Hub refused, and why


def check(tables: Tables) -> None:
    """Raise LifeHubError if a table is missing, or a column without which no row can be found again."""
    for table in (JOBS, RUNS):
        if table not in tables:
            raise LifeHubError(f"Life Hub has no table ops.{table}: run `sauron migrate --life-hub`.")
    for table in tables:
        missing = [name for name in KEYS[table] if name not in tables[table]]
        if missing:
            raise LifeHubError(
                f"Life Hub's table ops.{table} has no column {' and '.join(missing)} to write to. "
                "Add it there."
            )


def put_jobs(connection: Connection, tables: Tables, rows: Sequence[Row]) -> Refused:
    """Write jobs over their earlier rows, or as new ones."""

    def put(some: Sequence[Row]) -> None:
        keys = [row["job_key"] for row in some]
        found = connection.execute(
            "SELECT job_key FROM ops.jobs WHERE job_key::text = ANY(%s::text[])", (keys,)
        )
        there = {row["job_key"] for row in found}
        _update(connection, tables, [row for row in some if row["job_key"] in there])
        _insert(connection, tables, JOBS, [row for row in some if row["job_key"] not in there])

    return _each(connection, rows, put)


def put_definitions(connection: Connection, tables: Tables, rows: Sequence[Row]) -> Refused:
    """Add definitions that are not there; without such a table do nothing."""
    if DEFINITIONS not in tables:
        return {}
    return _each(connection, rows, lambda some: _insert(connection, tables, DEFINITIONS, some))


def put_runs(connection: Connection, tables: Tables, rows: Sequence[Row]) -> Refused:
    """Add attempts that are not there."""
    import psycopg

    step = tables[RUNS]["started_at"].step

    def put(some: Sequence[Row]) -> None:
        for _ in range(TRIES):
            new = _placed(some, _held(connection, tables, some), step)
            if _insert(connection, tables, RUNS, new) == len(new):
                return
        raise psycopg.DataError("ops.runs took the row and does not have it (a trigger or rule may drop it)")

    return _each(
        connection,
        [row | {"started_at": row["started_at"] - (row["started_at"] - EPOCH) % step} for row in rows],
        put,
    )


def switch_off_unknown(
    connection: Connection, tables: Tables, prefix: str, known: Sequence[str], *, now: datetime
) -> int:
    """Mark this scheduler's jobs (keys: `prefix` and a job id) that it no longer knows; return how many."""
    from psycopg import sql

    columns = tables[JOBS]
    changes: dict[str, Any] = {"enabled": False, "next_run_at": None}
    stale = {"enabled": sql.SQL("enabled"), "next_run_at": sql.SQL("next_run_at IS NOT NULL")}
    marks = [name for name in changes if name in columns]
    if not marks:
        return 0
    if "updated_at" in columns:
        changes["updated_at"] = now
    query = sql.SQL(
        "UPDATE ops.jobs SET {changes} WHERE starts_with(job_key::text, %(prefix)s) "
        "AND position(':' IN substr(job_key::text, length(%(prefix)s) + 1)) = 0 "
        "AND NOT (job_key::text = ANY(%(known)s::text[])) AND ({stale})"
    ).format(
        changes=_assignments(name for name in changes if name in columns),
        stale=sql.SQL(" OR ").join(stale[name] for name in marks),
    )
    values = {name: _value(columns[name], value) for name, value in changes.items() if name in columns}
    return connection.execute(query, {**values, "prefix": prefix, "known": list(known)}).rowcount


def _each(connection: Connection, rows: Sequence[Row], put: Callable[[Sequence[Row]], object]) -> Refused:
    """Write rows at once; return those refused for themselves.

    While a row is refused, the rows are written by halves.
    """
    import psycopg

    faults = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.RaiseException)
    refused: Refused = {}
    pieces = [(0, len(rows))] if rows else []
    while pieces:
        start, end = pieces.pop()
        try:
            with connection.transaction():
                put(rows[start:end])
        except faults as error:
            if end - start == 1:
                refused[start] = error.diag.message_primary or str(error)
            else:
                middle = (start + end) // 2
                pieces += [(middle, end), (start, middle)]
    return refused


@dataclass(slots=True)
class _Held:
    """Which keys near those of some rows are taken, and by which runs (`whose`, None if that is unknown)."""

    keys: set[tuple[str, datetime]]
    whose: set[tuple[str, str, str]] | None


def _held(connection: Connection, tables: Tables, rows: Sequence[Row]) -> _Held:
    """Read who holds the keys of these rows and those right after them."""
    from psycopg import sql

    query = sql.SQL(
        "SELECT r.job_key::text AS job_key, r.started_at::timestamptz AS at, {metadata} AS metadata "
        "FROM ops.runs r "
        "JOIN (SELECT DISTINCT * FROM unnest(%s::text[], %s::timestamptz[])) AS w (job_key, at) "
        "ON r.job_key::text = w.job_key AND r.started_at >= w.at AND r.started_at < w.at + %s"
    )
    told = "metadata" in tables[RUNS]
    span = STEPS * tables[RUNS]["started_at"].step
    wanted = ([row["job_key"] for row in rows], [row["started_at"] for row in rows], span)
    found = connection.execute(
        query.format(metadata=sql.SQL("r.metadata::text" if told else "NULL")), wanted
    ).fetchall()
    whose = {(row["job_key"], *whom) for row in found if (whom := _whom(row["metadata"]))}
    return _Held({(row["job_key"], row["at"]) for row in found}, whose if told else None)


def _whom(metadata: str | None) -> tuple[str, str] | None:
    """Return the run and attempt that a row's metadata names, or None."""
    try:
        said = json.loads(metadata or "null")
        return str(said["run_id"]), str(said["attempt"])
    except (ValueError, TypeError, KeyError):
        return None


def _placed(rows: Sequence[Row], held: _Held, step: timedelta) -> list[Row]:
    """Return the rows that are not there yet, each with a key that is free."""
    import psycopg

    before = frozenset(held.keys)
    new = []
    for row in rows:
        key, at = row["job_key"], row["started_at"]
        me = (key, row["metadata"]["run_id"], str(row["metadata"]["attempt"]))
        if (key, at) in before if held.whose is None else me in held.whose:
            continue
        free = next((then for n in range(STEPS) if (key, then := at + n * step) not in held.keys), None)
        if free is None:
            raise psycopg.DataError(f"{STEPS} other runs of this job have keys from {at} on")
        held.keys.add((key, free))
        new.append(row | {"started_at": free, "ended_at": max(free, row["ended_at"])})
    return new


def _insert(connection: Connection, tables: Tables, table: str, rows: Sequence[Row]) -> int:
    """Insert rows whose keys are not there, into the columns that are; return how many."""
    from psycopg import sql

    if not rows:
        return 0
    columns = [tables[table][name] for name in rows[0] if name in tables[table]]
    keys = KEYS[table]
    query = sql.SQL(
        "INSERT INTO ops.{table} ({names}) SELECT {values} "
        "WHERE NOT EXISTS (SELECT 1 FROM ops.{table} WHERE {same}) "
        "ON CONFLICT DO NOTHING"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        values=sql.SQL(", ").join(sql.Placeholder(column.name) for column in columns),
        same=_same(keys),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            query, [_values(columns, row) | _old_keys(tables[table], keys, row) for row in rows]
        )
        return cursor.rowcount


def _update(connection: Connection, tables: Tables, rows: Sequence[Row]) -> None:
    """Write jobs over the rows that hold their keys."""
    from psycopg import sql

    columns = [
        tables[JOBS][name]
        for name in (rows[0] if rows else ())
        if name in tables[JOBS] and name not in KEYS[JOBS]
    ]
    if not columns:
        return
    query = sql.SQL("UPDATE ops.jobs SET {changes} WHERE {same}").format(
        changes=_assignments(column.name for column in columns), same=_same(KEYS[JOBS])
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            query, [_values(columns, row) | _old_keys(tables[JOBS], KEYS[JOBS], row) for row in rows]
        )


def _same(keys: Iterable[str]) -> sql.Composed:
    from psycopg import sql

    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(key), sql.Placeholder(f"at_{key}")) for key in keys
    )


def _assignments(names: Iterable[str]) -> sql.Composed:
    from psycopg import sql

    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names
    )


def _values(columns: Sequence[Column], row: Row) -> dict[str, Any]:
    return {column.name: _value(column, row[column.name]) for column in columns}


def _old_keys(columns: Mapping[str, Column], keys: Sequence[str], row: Row) -> dict[str, Any]:
    return {f"at_{key}": _value(columns[key], row[key]) for key in keys}


def _value(column: Column, value: Any) -> Any:
    """Write a value as text that the server reads as the column's own type, whatever that is."""
    if value is None:
        return None
    value = storable(value)
    if column.type in {"json", "jsonb"}:
        return json.dumps(value, default=str)
    if column.type == "ARRAY":
        return value if isinstance(value, list) else [str(value)]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
    return text[: column.most_chars]
