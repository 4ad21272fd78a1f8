"""Life Hub's schema `ops`: what its tables have, and making those that are not there.

A table that exists is never altered: it is another system's too, and may have fewer columns than ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .connection import Link, Patience

if TYPE_CHECKING:
    import psycopg

JOBS = "jobs"
DEFINITIONS = "job_definitions"
RUNS = "runs"

_CREATE: Mapping[str, str] = {
    JOBS: """
        CREATE TABLE IF NOT EXISTS ops.jobs (
            job_key text PRIMARY KEY,
            job_id text NOT NULL,
            scheduler text NOT NULL,
            project text,
            cron text NOT NULL,
            timezone text NOT NULL,
            enabled boolean NOT NULL,
            timeout_seconds integer,
            tags text[] NOT NULL DEFAULT '{}',
            source_host text,
            next_run_at timestamptz,
            last_seen_at timestamptz NOT NULL,
            definition_hash text,
            metadata jsonb NOT NULL DEFAULT '{}',
            script_source text CHECK (script_source IN ('builtin', 'git', 'http')),
            entrypoint text,
            config jsonb NOT NULL DEFAULT '{}',
            updated_at timestamptz NOT NULL DEFAULT now()
        )""",
    DEFINITIONS: """
        CREATE TABLE IF NOT EXISTS ops.job_definitions (
            job_key text NOT NULL,
            definition_hash text NOT NULL,
            job_id text NOT NULL,
            scheduler text NOT NULL,
            cron text NOT NULL,
            timezone text NOT NULL,
            script_source text,
            entrypoint text,
            config jsonb NOT NULL DEFAULT '{}',
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (job_key, definition_hash)
        )""",
    RUNS: """
        CREATE TABLE IF NOT EXISTS ops.runs (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_key text NOT NULL,
            job_id text NOT NULL,
            started_at timestamptz NOT NULL,
            ended_at timestamptz,
            duration_ms bigint,
            status text NOT NULL CHECK (status IN ('success', 'degraded', 'failure', 'timeout', 'cancelled')),
            exit_code integer,
            error_message text,
            error_type text,
            summary text,
            stdout_tail text,
            tags text[] NOT NULL DEFAULT '{}',
            project text,
            source_host text,
            metadata jsonb NOT NULL DEFAULT '{}',
            UNIQUE (job_key, started_at)
        )""",
}
_INDEX: Mapping[str, tuple[str, ...]] = {
    JOBS: (
        "CREATE INDEX IF NOT EXISTS jobs_next_run_at ON ops.jobs (next_run_at) WHERE next_run_at IS NOT NULL",
    ),
    DEFINITIONS: (),
    RUNS: (
        "CREATE INDEX IF NOT EXISTS runs_started_at ON ops.runs (started_at DESC)",
        "CREATE INDEX IF NOT EXISTS runs_not_well ON ops.runs (started_at DESC) WHERE status <> 'success'",
    ),
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    table: tuple(
        line.split()[0]
        for line in text.splitlines()[2:]
        if line.split()[0].islower() and line.split()[0] != "id"
    )
    for table, text in _CREATE.items()
}

_THERE = """
    SELECT table_name, column_name, data_type, character_maximum_length, datetime_precision
    FROM information_schema.columns
    WHERE table_schema = 'ops' AND table_name = ANY(%s) AND is_generated = 'NEVER'
      AND (identity_generation IS NULL OR identity_generation <> 'ALWAYS')"""

_RELATIONS = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ops'"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that may be written: its type, the characters it takes (None: any), its step in time.

    The type is that of information_schema.
    """

    name: str
    type: str
    most_chars: int | None
    step: timedelta


Tables = Mapping[str, Mapping[str, Column]]


def tables_of(connection: psycopg.Connection[dict[str, Any]]) -> Tables:
    """Return the tables of ours that are there now, with the columns that may be written."""
    found: dict[str, dict[str, Column]] = {}
    for row in connection.execute(_THERE, (list(_CREATE),)):
        digits = 6 if row["datetime_precision"] is None else row["datetime_precision"]
        step = timedelta(microseconds=10 ** (6 - digits))
        column = Column(row["column_name"], row["data_type"], row["character_maximum_length"], step)
        found.setdefault(row["table_name"], {})[column.name] = column
    return found


def migrate(url: str, *, ca: str | None = None, patience: Patience | None = None) -> list[str]:
    """Make Life Hub's schema where it is missing; return one line per table.

    Raises LifeHubError when Life Hub cannot be reached or does not let us create.
    """
    link = Link(url, patience or Patience(), ca=ca)
    lines = []
    try:
        with link.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('sauron migrate ops'))")
            if (
                connection.execute("SELECT 1 AS there FROM pg_namespace WHERE nspname = 'ops'").fetchone()
                is None
            ):
                connection.execute("CREATE SCHEMA ops")
                lines.append("schema ops: made")
            there = {row["relname"] for row in connection.execute(_RELATIONS)}
            before = tables_of(connection)
            for table, wanted in COLUMNS.items():
                if table not in there:
                    connection.execute(_CREATE[table])
                    for index in _INDEX[table]:
                        connection.execute(index)
                    lines.append(f"ops.{table}: made")
                    continue
                missing = [name for name in wanted if name not in before.get(table, {})]
                lines.append(
                    f"ops.{table}: was there and stays as it is"
                    + (f"; it lacks {', '.join(missing)}, which are not copied" if missing else "")
                )
    finally:
        link.close()
    return lines
