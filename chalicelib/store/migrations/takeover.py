"""What an earlier system left in the database: its tables are set aside, and the runs of its queue are copied into ours.

Its history stays readable and what was queued still runs. A run that was running has an interrupted attempt,
because it is not known how far it got, and is queued again while attempts remain. Rows are read as a stream, so
that a big queue costs time, not memory.

After a crash: all of it is in the transaction that makes the new schema, so it is done once and whole, or not
yet begun.

Limit: a row with a value that cannot be read is left out, counted and logged. It stays where it was set
aside, as every row does.
"""

from __future__ import annotations

import json
import math
import secrets
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Text, cast, column, insert, inspect, select, tuple_
from sqlalchemy import table as table_named

from chalicelib import logs
from chalicelib.model.runs import Origin, Outcome, RunState
from chalicelib.store.schema import attempts, job_queue, metadata

log = logs.get(__name__)

ASIDE = "earlier_"  # prefix of tables set aside
RUNNER = "earlier"  # who executed what was copied
BATCH = 1000  # rows read and written at a time
ERROR_CHARS = 5000
JOB_ID_CHARS = 64
MAX_ATTEMPTS = 3  # where a row does not say
MOST_ATTEMPTS = 1_000_000  # more than that was not counted
FIRST_YEAR = 2000  # an earlier time was not written by a clock
MILLISECONDS_FROM = 1e11  # an epoch number this great counts in a smaller unit than seconds

_NEEDED = frozenset({"job_id", "status", "scheduled_for", "dedupe_key"})
_READ = (
    *("id", "job_id", "status", "scheduled_for", "attempts", "max_attempts", "payload", "last_error"),
    *("started_at", "finished_at", "created_at", "updated_at"),
)
_ENDED = {"success": RunState.SUCCEEDED, "failure": RunState.FAILED, "dead": RunState.FAILED}
_INTERRUPTED = "the earlier system was running it when it was replaced; it is not known how far it got"

Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Copied:
    """How many runs were copied, how many of them wait to run, and which rows were left out, by what could not be read."""

    runs: int
    queued: int
    left_out: Mapping[str, int]


class _UnreadableError(Exception):
    """A value of a row that cannot be read; its argument is the column."""


def set_aside(tx: Connection) -> dict[str, str]:
    """Rename tables that have names of ours; return what each is called now. Their rows stay readable there."""
    there = inspect(tx)
    quote = tx.dialect.identifier_preparer.quote
    ours = {index.name for one in metadata.tables.values() for index in one.indexes}
    renamed: dict[str, str] = {}
    for name in there.get_table_names():
        if name not in metadata.tables:
            continue
        for index in there.get_indexes(name):
            if index["name"] in ours:
                tx.exec_driver_sql(f"DROP INDEX {quote(str(index['name']))}")
        aside = ASIDE + name
        while there.has_table(aside):
            aside = ASIDE + aside
        tx.exec_driver_sql(f"ALTER TABLE {quote(name)} RENAME TO {quote(aside)}")
        log.warning("takeover.table_renamed", table=name, now_called=aside)
        renamed[name] = aside
    return renamed


def copy(tx: Connection, table: str, *, now: datetime) -> Copied | None:
    """Copy the runs of an earlier queue, by the name it has now; return None if that table is not such a queue."""
    there = {str(one["name"]) for one in inspect(tx).get_columns(table)}
    if not there >= _NEEDED or "state" in there:
        return None
    wanted = [cast(column(name), Text).label(name) for name in _READ if name in there]
    runs = queued = 0
    left_out: Counter[str] = Counter()
    raw: Any = tx.connection.dbapi_connection
    if tx.dialect.name == "sqlite":
        # whatever was written, it is read
        raw.text_factory = lambda content: content.decode("utf-8", "replace")
    try:
        read = tx.execute(
            select(*wanted).select_from(table_named(table)), execution_options={"yield_per": BATCH}
        )
        for rows in read.mappings().partitions():
            batch = _Batch(now, runs + sum(left_out.values()))
            for row in rows:
                try:
                    batch.add({name: row.get(name) for name in _READ})
                except _UnreadableError as why:
                    left_out[str(why)] += 1
            batch.write(tx)
            runs += len(batch.runs)
            queued += sum(run["state"] is RunState.QUEUED for run in batch.runs)
    finally:
        if tx.dialect.name == "sqlite":
            raw.text_factory = str
    log.info("takeover.rows_copied", table=table, runs=runs, queued=queued)
    if left_out:
        log.warning("takeover.rows_skipped", table=table, rows=left_out.total(), unreadable=dict(left_out))
    return Copied(runs, queued, dict(left_out))


class _Batch:
    """Some rows of the earlier queue as rows of ours."""

    def __init__(self, now: datetime, before: int) -> None:
        self.now = now
        self.before = before  # rows read before these
        self.runs: list[dict[str, Any]] = []
        self.attempts: list[dict[str, Any]] = []

    def add(self, row: Row) -> None:
        """Translate one row. Raises _UnreadableError with the column that cannot be read."""
        run, attempt = _translate(row, self.now)
        run["id"] = _kept_id(row["id"], self.now) or _new_id(
            min(run["created_at"], self.now), self.before + len(self.runs)
        )
        self.runs.append(run)
        if attempt:
            self.attempts.append(attempt | {"run_id": run["id"]})

    def write(self, tx: Connection) -> None:
        """Insert the rows. Of several runs for one instant of a job the first is its occurrence."""
        if not self.runs:
            return
        c = job_queue.c
        fires = [(run["job_id"], run["fire_at"]) for run in self.runs if run["fire_at"]]
        taken: set[tuple[str, datetime]] = set()
        for some in _pieces(fires):
            found = tx.execute(select(c.job_id, c.fire_at).where(tuple_(c.job_id, c.fire_at).in_(some)))
            taken.update((one.job_id, one.fire_at) for one in found)
        for run in self.runs:
            fire = (run["job_id"], run["fire_at"])
            if run["fire_at"] and fire not in taken:
                taken.add(fire)
            else:
                run["fire_at"] = None
        tx.execute(insert(job_queue), self.runs)
        if self.attempts:
            tx.execute(insert(attempts), self.attempts)


def _translate(row: Row, now: datetime) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a run without its id, and its last attempt if there was one."""
    status = row["status"]
    if status not in {*_ENDED, "queued", "running"}:
        raise _UnreadableError("status")
    job_id = row["job_id"] or ""
    if not (0 < len(job_id) <= JOB_ID_CHARS and job_id.isprintable()):
        raise _UnreadableError("job_id")
    times = {
        name: _instant(row, name)
        for name in ("scheduled_for", "created_at", "started_at", "finished_at", "updated_at")
    }
    due = times["scheduled_for"] or times["created_at"]
    if due is None:
        raise _UnreadableError("scheduled_for")
    tried = max(_count(row, "attempts") or 0, 0 if status == "queued" else 1)
    most = max(_count(row, "max_attempts") or MAX_ATTEMPTS, 1)
    if status == "queued":
        most = max(most, tried + 1)  # it was to run once more
    error = (row["last_error"] or "").replace("\x00", "\ufffd")[:ERROR_CHARS] or None
    began = times["started_at"] or min(due, times["updated_at"] or now, now)
    ended = max(times["finished_at"] or times["updated_at"] or began, began)
    outcome, kind, state = Outcome.FAILED, None, _ENDED.get(status, RunState.QUEUED)
    if status == "success":
        outcome, error = Outcome.SUCCEEDED, None
    elif status == "running":
        outcome, kind, error, ended = Outcome.INTERRUPTED, "interrupted", _INTERRUPTED, max(now, began)
        state = RunState.QUEUED if tried < most else RunState.FAILED
    origin = Origin.CATCHUP if state is RunState.QUEUED else Origin.SCHEDULE
    said = row["id"]
    run = {
        "job_id": job_id,
        "state": state,
        "origin": origin,
        "fire_at": due if due <= now or not tried else None,  # a retry's time is no longer the schedule's
        "due_at": due,
        "attempt": tried,
        "max_attempts": most,
        "params": _params(row),
        "reason": f"from the earlier system, there run {_shown(said)}" if said else None,
        "created_at": times["created_at"] or due,
        "started_at": began if tried else None,
        "finished_at": None if state is RunState.QUEUED else ended,
        "error": error,
        "error_type": kind,
    }
    if not tried:
        return run, None
    attempt = {"number": tried, "started_at": began, "finished_at": ended, "outcome": outcome}
    return run, attempt | {"runner": RUNNER, "error": error, "error_type": kind}


def _shown(earlier_id: str) -> str:
    """Return an id whole, so that it is found again, with escapes for what cannot be shown."""
    return earlier_id if earlier_id.isprintable() else earlier_id.encode("unicode_escape").decode()


def _instant(row: Row, name: str) -> datetime | None:
    """Read a time: ISO 8601 (without an offset it is UTC) or a number of seconds or milliseconds since 1970."""
    text = (row[name] or "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    try:
        if math.isfinite(number):
            read = datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS_FROM else number, UTC)
        else:
            read = datetime.fromisoformat(text)
            read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _UnreadableError(name) from error
    if read.year < FIRST_YEAR:
        raise _UnreadableError(name)
    return read


def _count(row: Row, name: str) -> int | None:
    text = row[name]
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError as error:
        raise _UnreadableError(name) from error
    if not 0 <= number <= MOST_ATTEMPTS:
        raise _UnreadableError(name)
    return number


def _params(row: Row) -> dict[str, Any] | None:
    """Read a payload: an object is the run's params. Refused is what a database may not hold: NaN, NUL, half a character."""
    text = (row["payload"] or "").strip()
    if not text:
        return None
    try:
        read = json.loads(text)
        if json.dumps(read, allow_nan=False, ensure_ascii=False).encode().find(b"\\u0000") >= 0:
            raise ValueError  # noqa: TRY301 - the same answer as for text that is not JSON
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("payload") from error
    return read if isinstance(read, dict) else None


def _kept_id(text: str | None, now: datetime) -> str | None:
    """Return an earlier id if it sorts among ours by its time (a UUID of version 7, not of a time to come), else None."""
    try:
        read = uuid.UUID(text or "")
    except ValueError:
        return None
    ours = str(read) == text and read.version == 7 and read.int >> 80 < int(now.timestamp() * 1000)  # noqa: PLR2004 - RFC 9562
    return text if ours else None


def _new_id(created: datetime, number: int) -> str:
    """Make an id like `new_run_id` for a run of an earlier time; `number` keeps the order of those of one millisecond."""
    value = int(created.timestamp() * 1000) << 80 | (number % (1 << 22)) << 40 | secrets.randbits(40)
    return str(uuid.UUID(int=value | 0x7 << 76 | 0x2 << 62))


def _pieces(items: Sequence[Any], size: int = 250) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
