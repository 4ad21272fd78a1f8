"""What the store's rows went through, written by triggers of SQLite, whatever statement changed them."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path
from typing import NamedTuple

_RUN = (
    "id", "job_id", "state", "origin", "fire_at", "due_at", "gap_from", "gap_count", "revision", "attempt",
    "max_attempts", "force", "lease_owner", "lease_generation", "reason", "error", "error_type",
    "cancel_reason", "finished_at", "pool", "priority", "parents",
)  # fmt: skip
_COLUMNS = ", ".join(_RUN)
_NEW = ", ".join(f"NEW.{name}" for name in _RUN)
_WATCHED = ", ".join(name for name in _RUN if name not in {"finished_at", "reason", "error"})

SCHEMA = f"""
CREATE TABLE journal (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, {_COLUMNS});
CREATE TRIGGER journal_made AFTER INSERT ON job_queue BEGIN
  INSERT INTO journal (kind, {_COLUMNS}) VALUES ('made', {_NEW}); END;
CREATE TRIGGER journal_changed AFTER UPDATE OF {_WATCHED} ON job_queue BEGIN
  INSERT INTO journal (kind, {_COLUMNS}) VALUES ('changed', {_NEW}); END;
CREATE TRIGGER journal_deleted AFTER DELETE ON job_queue BEGIN
  INSERT INTO journal (kind, id, job_id) VALUES ('deleted', OLD.id, OLD.job_id); END;
CREATE TRIGGER journal_switched AFTER INSERT ON overrides BEGIN
  INSERT INTO journal (kind, job_id, state, due_at)
    VALUES ('override', NEW.job_id, NEW.enabled, NEW.until); END;
CREATE TRIGGER journal_switched_again AFTER UPDATE OF enabled ON overrides BEGIN
  INSERT INTO journal (kind, job_id, state, due_at)
    VALUES ('override', NEW.job_id, NEW.enabled, NEW.until); END;
CREATE TRIGGER journal_given_back AFTER DELETE ON overrides BEGIN
  INSERT INTO journal (kind, job_id) VALUES ('override_ended', OLD.job_id); END;
CREATE TRIGGER journal_first_active AFTER INSERT ON bundle_state WHEN NEW.active_sha IS NOT NULL BEGIN
  INSERT INTO journal (kind, revision) VALUES ('active', NEW.active_sha); END;
CREATE TRIGGER journal_active AFTER UPDATE OF active_sha ON bundle_state
  WHEN NEW.active_sha IS NOT OLD.active_sha BEGIN
  INSERT INTO journal (kind, revision) VALUES ('active', NEW.active_sha); END;
CREATE TRIGGER journal_paused AFTER INSERT ON pauses BEGIN
  INSERT INTO journal (kind, id, due_at, gap_from, state)
    VALUES ('pause', NEW.id, NEW.since, NEW.until, NEW.ended); END;
CREATE TRIGGER journal_unpaused AFTER UPDATE ON pauses BEGIN
  INSERT INTO journal (kind, id, due_at, gap_from, state)
    VALUES ('pause', NEW.id, NEW.since, NEW.until, NEW.ended); END;
CREATE TRIGGER journal_first_tick AFTER INSERT ON duties WHEN NEW.name = 'tick' BEGIN
  INSERT INTO journal (kind, due_at) VALUES ('tick', NEW.at); END;
CREATE TRIGGER journal_tick AFTER UPDATE ON duties WHEN NEW.name = 'tick' BEGIN
  INSERT INTO journal (kind, due_at) VALUES ('tick', NEW.at); END;
"""  # noqa: S608 - names of our own columns

_NEWS = f"SELECT kind, {_COLUMNS}, n FROM journal WHERE n > ? ORDER BY n"  # noqa: S608


class Entry(NamedTuple):
    """One change: `made`, `changed` and `deleted` are of runs; the others use a few of the columns."""

    kind: str
    id: str
    job_id: str
    state: str
    origin: str
    fire_at: str | None
    due_at: str
    gap_from: str | None
    gap_count: int
    revision: str | None
    attempt: int
    max_attempts: int
    force: int
    owner: str | None
    generation: int
    reason: str | None
    error: str | None
    error_type: str | None
    cancel_reason: str | None
    finished_at: str | None
    pool: str | None
    priority: int
    parents: str | None


def instant(text: str | None) -> dt.datetime | None:
    """Read an instant as the store writes it."""
    return None if text is None else dt.datetime.fromisoformat(text)


def sure(text: str | None) -> dt.datetime:
    """Read an instant that is there."""
    assert text is not None
    return dt.datetime.fromisoformat(text)


class Journal:
    """Reads what was written since the last time, by a connection of its own."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._seen = 0

    def news(self) -> list[Entry]:
        """Return the changes since the last call."""
        rows = self.connection.execute(_NEWS, (self._seen,)).fetchall()
        if rows:
            self._seen = rows[-1][-1]
        return [Entry(*row[:-1]) for row in rows]

    def jobs(self) -> dict[str, tuple[bool, bool, bool]]:
        """Return of each job whether it is on, rejected, removed."""
        rows = self.connection.execute("SELECT job_id, enabled, rejected, removed_at FROM jobs")
        return {
            job_id: (bool(on), refused is not None, gone is not None) for job_id, on, refused, gone in rows
        }

    def note_tick(self, now: dt.datetime) -> None:
        """Write what idle ticks would have written."""
        self.connection.execute(
            "UPDATE duties SET at = ? WHERE name = 'tick'", (now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),)
        )

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
