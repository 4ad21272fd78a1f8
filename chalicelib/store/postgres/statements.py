"""On PostgreSQL: claim and finish as one statement each, and an attempt's end with the next claim as one journey to the server.

`take` claims the run that is due longest when its policy leaves nothing to decide. A run whose job may run
once at a time is decided about by one transaction at a time: `take` locks its row and tries the job's lock,
and `take_alone` looks again under that lock, so that it sees what others committed before. Neither ever waits
for a lock: what another transaction holds is left to it, so claims cannot deadlock, also not with what else
their transaction holds. Which run `take_alone` is about, `take` leaves in a setting of the transaction, so
that both can be sent before either is answered (`turn`).

What does need deciding (overlap, a job that is off or gone, a retry that is superseded) is left to `claims`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.exc import DBAPIError

from chalicelib.model.liveness import DOWNTIME
from chalicelib.model.runs import Outcome, Run, Verdict
from chalicelib.store.database import Tx
from chalicelib.store.history import as_run
from chalicelib.store.schema import job_queue

from .engine import dumps

_COLUMNS = tuple(job_queue.columns.keys())
_NAMES = ", ".join(f"q.{name}" for name in _COLUMNS)
_CLAIMED = f"""
claimed AS (
  UPDATE job_queue q
  SET state = 'running', lease_owner = %(owner)s, lease_generation = q.lease_generation + 1, attempt = q.attempt + 1,
      revision = coalesce(q.revision,
        CASE WHEN c.source IS DISTINCT FROM 'builtin' THEN (SELECT active_sha FROM bundle_state) END),
      started_at = coalesce(q.started_at, %(now)s::timestamptz), progress = NULL, progress_note = NULL
  FROM candidate c WHERE q.id = c.candidate AND c.easy
  RETURNING {_NAMES}
), begun AS (
  INSERT INTO attempts (run_id, number, started_at, runner) SELECT id, attempt, %(now)s, %(owner)s FROM claimed
)
"""  # noqa: S608 - the names of our own columns
_DUE = """
candidate AS MATERIALIZED (
  SELECT q.id AS candidate, q.job_id AS of_job, j.source,
    CASE WHEN q.origin IN ('schedule', 'catchup') AND q.attempt = 0
      THEN coalesce(j.overlap = 'allow' AND j.enabled AND j.rejected IS NULL AND j.removed_at IS NULL, false)
      ELSE (q.force OR coalesce(j.overlap = 'allow', false))
        AND (q.revision IS NOT NULL OR (j.job_id IS NOT NULL AND j.rejected IS NULL AND j.removed_at IS NULL))
    END AS easy
  FROM job_queue q LEFT JOIN jobs j ON j.job_id = q.job_id
  WHERE q.state = 'queued' AND q.due_at <= %(now)s
    AND (j.job_id IS NOT NULL OR EXISTS (SELECT FROM bundle_state WHERE active_sha IS NOT NULL))
    AND (q.attempt > 0 OR q.origin NOT IN ('schedule', 'catchup')
      OR NOT EXISTS (SELECT FROM duties WHERE name = 'tick' AND at < %(silent)s))
    AND (q.force OR j.overlap = 'allow'
      OR NOT EXISTS (SELECT FROM job_queue o WHERE o.job_id = q.job_id AND o.state = 'running')
      OR (j.overlap IN ('skip', 'replace') AND q.origin = 'schedule' AND q.attempt = 0 AND (
        SELECT CASE j.overlap WHEN 'skip' THEN bool_or((o.due_at, o.id) < (q.due_at, q.id))
            ELSE bool_or(o.cancel_reason IS NULL) END
        FROM job_queue o WHERE o.job_id = q.job_id AND o.state = 'running')))
"""
_BUT = "AND q.id <> ALL(%(passed)s::text[]) AND q.job_id <> ALL(%(busy)s::text[])"
_FIRST = """
  ORDER BY q.due_at, q.id LIMIT 1
  FOR UPDATE OF q SKIP LOCKED
),"""
_ANSWER = """
SELECT candidate, of_job,
  CASE WHEN easy OR candidate IS NULL THEN true
    WHEN pg_try_advisory_xact_lock(72354202, hashtext(of_job)) THEN set_config('sauron.candidate', candidate, true) <> ''
    ELSE false
  END AS alone,
  claimed.id IS NOT NULL, claimed.*
"""
_TAKEN = _ANSWER + "FROM candidate LEFT JOIN claimed ON true"
_TAKE = "WITH" + _DUE + _FIRST + _CLAIMED + _TAKEN
_TAKE_BUT = "WITH" + _DUE + _BUT + _FIRST + _CLAIMED + _TAKEN
_TAKE_ALONE = (
    """
WITH candidate AS MATERIALIZED (
  SELECT q.id AS candidate, j.source, true AS easy
  FROM job_queue q JOIN jobs j ON j.job_id = q.job_id
  CROSS JOIN LATERAL (SELECT q.attempt = 0 AND q.origin IN ('schedule', 'catchup') AS fresh) f
  WHERE q.id = current_setting('sauron.candidate', true) AND q.state = 'queued'
    AND CASE WHEN f.fresh OR q.revision IS NULL THEN j.rejected IS NULL AND j.removed_at IS NULL ELSE true END
    AND (NOT f.fresh OR j.enabled)
    AND NOT EXISTS (SELECT FROM job_queue o WHERE o.job_id = q.job_id AND o.state = 'running')
    AND NOT (f.fresh AND EXISTS (
      SELECT FROM job_queue o WHERE o.job_id = q.job_id AND o.state = 'queued' AND o.id <> q.id
        AND (o.attempt > 0 OR (j.overlap <> 'queue' AND o.due_at <= %(now)s))))
    AND NOT (f.fresh AND j.overlap = 'skip' AND EXISTS (
      SELECT FROM job_queue o WHERE o.job_id = q.job_id AND o.finished_at > q.due_at AND o.due_at <= q.due_at))
),"""  # noqa: S608 - constants put together: nothing of a caller is in them
    + _CLAIMED
    + "SELECT * FROM claimed"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of trying to claim: a run; or one that has to be decided about, whose job this transaction holds if `alone`."""

    run: Run | None
    candidate: str
    job_id: str
    alone: bool


def take(
    tx: Tx, *, owner: str, now: datetime, passed: Collection[str] = (), busy: Collection[str] = ()
) -> Taken | None:
    """Claim the run that is due longest, but for these runs and the runs of these jobs; answer None if none is due."""
    asked = _asked(owner, now)
    if passed or busy:
        asked |= {"passed": list(passed), "busy": list(busy)}
    taken = _taken(_ask(tx, _TAKE_BUT if passed or busy else _TAKE, asked))
    if taken is None or taken.run is not None or not taken.alone:
        return taken
    found = _ask(tx, _TAKE_ALONE, asked)
    return replace(taken, run=_as_run(found)) if found else taken


def finish_and_take(
    connection: Any, ended: dict[str, Any], *, take: bool, alone: bool
) -> tuple[bool, Taken | None]:
    """Record an end and claim what is due longest, all sent at once on a connection in autocommit: one transaction.

    `alone`: the run to claim is likely to need its job for itself. One that does, unexpectedly, is not
    claimed.
    """
    if not take:
        return connection.execute(_statement(ended), ended, prepare=True).fetchone() is not None, None
    statement, asked = _TURN_TOLD if "facts" in ended else _TURN, ended | _asked(ended["owner"], ended["now"])
    if not alone:
        kept, *row = connection.execute(statement, asked, prepare=True).fetchone()
        return kept == 1, _taken(row)
    with connection.pipeline():
        turned = connection.execute(statement, asked, prepare=True)
        found = connection.execute(_TAKE_ALONE, asked, prepare=True)
    kept, *row = turned.fetchone()
    taken = _taken(row)
    if taken is not None and taken.run is None and (columns := found.fetchone()):
        taken = replace(taken, run=_as_run(columns))
    return kept == 1, taken


def _asked(owner: str, now: datetime) -> dict[str, Any]:
    return {"owner": owner, "now": now, "silent": now - DOWNTIME}


def _taken(row: Sequence[Any] | None) -> Taken | None:
    if row is None or row[0] is None:
        return None
    candidate, job_id, alone, claimed, *columns = row
    return Taken(_as_run(columns) if claimed else None, candidate, job_id, alone)


def _as_run(columns: Sequence[Any]) -> Run:
    return as_run(SimpleNamespace(**dict(zip(_COLUMNS, columns, strict=True))))


def _ask(tx: Tx, statement: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return the first row, straight from the driver: describing thirty columns at each call costs as much as the journey."""
    import psycopg

    connection: Any = tx.connection.dbapi_connection
    try:
        row: tuple[Any, ...] | None = connection.execute(
            statement, values, prepare=connection.prepare_threshold is not None
        ).fetchone()
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error, dialect=tx.dialect) from error
    return row


_FINISH = """
WITH ended AS (
  UPDATE job_queue
  SET state = CASE WHEN %(again)s::boolean AND cancel_reason IS NOT NULL THEN 'cancelled' ELSE %(to)s END,
      due_at = CASE WHEN %(again)s AND cancel_reason IS NULL THEN %(retry_at)s::timestamptz ELSE due_at END,
      finished_at = CASE WHEN %(again)s AND cancel_reason IS NULL THEN NULL ELSE %(now)s::timestamptz END,
      lease_owner = NULL,
      dispatched_until = NULL,
      error = CASE WHEN %(again)s AND cancel_reason IS NOT NULL THEN cancel_reason ELSE %(error)s::text END,
      error_type = CASE WHEN %(again)s AND cancel_reason IS NOT NULL THEN 'cancelled' ELSE %(error_type)s::text END,
      result = %(result)s::jsonb
  WHERE id = %(run)s AND lease_owner = %(owner)s AND lease_generation = %(generation)s
  RETURNING id, error, error_type, CASE WHEN state = 'cancelled' AND %(again)s THEN 'cancelled' ELSE %(outcome)s END AS outcome
), told AS (
  UPDATE attempts a
  SET finished_at = %(now)s, outcome = e.outcome, exit_code = %(code)s::int, signal = %(sig)s::int, error = e.error,
      error_type = e.error_type, max_rss_kb = %(rss)s::bigint, cpu_seconds = %(cpu)s::float8
  FROM ended e WHERE a.run_id = e.id AND a.number = %(nth)s
  RETURNING a.started_at, a.outcome, a.error, a.error_type
)
"""
_NEWS = """
, news AS (
  INSERT INTO outbox (kind, job_id, facts, created_at)
  SELECT 'attempt', %(job)s::varchar, %(facts)s::jsonb || jsonb_build_object(
      'started_at', t.started_at, 'outcome', t.outcome, 'error', t.error, 'error_type', t.error_type,
      'source', (SELECT source FROM jobs WHERE job_id = %(job)s),
      'loaded_at', (SELECT booted_at FROM revisions WHERE sha = %(revision)s)), %(now)s
  FROM told t
)
"""
_ENDED = "SELECT 1 FROM ended"


_FINISH_ONLY = _FINISH + _ENDED
_FINISH_TOLD = _FINISH + _NEWS + _ENDED
# What the statement ends still runs in its own eyes. It claims only what may run beside that; `take_alone`
# sees it ended.
_NEXT = (
    "," + _DUE.replace("o.state = 'running'", "o.state = 'running' AND o.id <> %(run)s") + _FIRST + _CLAIMED
)
_NEXT += _ANSWER.replace("SELECT", "SELECT (SELECT count(*) FROM ended),")
_NEXT += "FROM (SELECT) AS one LEFT JOIN candidate ON true LEFT JOIN claimed ON true"
_TURN = _FINISH + _NEXT
_TURN_TOLD = _FINISH + _NEWS + _NEXT


def _statement(ended: dict[str, Any]) -> str:
    return _FINISH_TOLD if "facts" in ended else _FINISH_ONLY


def ending(
    run: Run,
    verdict: Verdict,
    *,
    owner: str,
    now: datetime,
    retry_at: datetime | None,
    facts: dict[str, Any] | None = None,
    **texts: str | None,
) -> dict[str, Any]:
    """Return what `finish` and `finish_and_take` are given: an attempt's end, and the facts of its copy if it is to be copied."""
    asked: dict[str, Any] = {
        "run": run.id,
        "owner": owner,
        "generation": run.lease_generation,
        "again": retry_at is not None,
        "retry_at": retry_at,
        "now": now,
        "result": None if verdict.result is None else dumps(verdict.result),
        "outcome": Outcome(verdict.outcome).value,
        "nth": run.attempt,
        "code": verdict.exit_code,
        "sig": verdict.signal,
        "rss": verdict.max_rss_kb,
        "cpu": verdict.cpu_seconds,
    }
    if facts is not None:
        asked |= {"facts": dumps(facts), "job": run.job_id, "revision": run.revision}
    return asked | texts


def finish(tx: Tx, ended: dict[str, Any]) -> bool:
    """Record an attempt's end as `queue.finish` does; a run that was cancelled meanwhile is not tried again."""
    return _ask(tx, _statement(ended), ended) is not None
