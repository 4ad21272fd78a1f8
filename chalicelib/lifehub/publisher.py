"""The publisher: copies what waits in the outbox to Life Hub, in order, in batches, each row once.

One pass:

1. Take this scheduler's lock in Life Hub.
2. Pick the oldest rows, and read the jobs that they name as they stand now.
3. Write both in one Life Hub transaction.
4. Delete the rows in one store transaction.

Life Hub down, slow, frozen, read-only or full ends the pass and keeps everything; nothing that finishes runs
ever waits for it.

After a crash between 3 and 4 the rows are picked again and found to be there. A row that Life Hub refuses for
itself is set aside with the reason, tried again once an hour, and keeps nothing behind it. One publisher at a
time writes for a scheduler's name. Limit: attempts that ended together are copied in the order in which their
ends were recorded.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib import logs
from chalicelib.clock import Clock, iso
from chalicelib.model.backoff import Backoff
from chalicelib.store import Store, bundle, duties, outbox, registry
from chalicelib.store.outbox import Entry, RowKind

from .connection import LifeHubError, Link, Patience, own
from .rows import Row, job_key, of_attempt, of_definition, of_job
from .schema import tables_of
from .tables import check, put_definitions, put_jobs, put_runs, switch_off_unknown

log = logs.get(__name__)

DUTY = "lifehub"
BATCH = 200  # rows of the outbox in one transaction
JOBS_AT_ONCE = 500
PAUSES = Backoff.doubling(
    timedelta(seconds=5), timedelta(minutes=5), spread=(0.8, 1.2)
)  # while Life Hub is at fault
TURN_PAUSE = 5.0  # seconds until another publisher's turn is looked at again
REFUSED_PAUSE = 3600.0  # seconds until refused rows are tried again


@dataclass(frozen=True, slots=True)
class Published:
    """What a pass did: rows copied, rows that still wait, and Life Hub's fault if there was one."""

    copied: int
    waiting: int
    error: str | None = None


class Publisher:
    """Copies to one Life Hub under one scheduler's name. For one thread at a time in each process."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        url: str,
        scheduler: str,
        host: str,
        ca: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Prepare without touching Life Hub; `url` is in SQLAlchemy's form, `ca` verifies its server."""
        self._store = store
        self._clock = clock
        self._scheduler = scheduler
        self._host = host
        self._link = Link(url, patience or Patience(), ca=ca)
        self._failures = 0
        self._try_at = 0.0
        self._retry_at = 0.0
        self._random = random.SystemRandom()

    @property
    def next_try_in(self) -> float:
        """Seconds until the next pass is worth making; 0 while Life Hub is well."""
        return max(0.0, self._try_at - self._clock.monotonic())

    def close(self) -> None:
        """Close the connection to Life Hub."""
        self._link.close()

    def publish(self, most_seconds: float | None = None) -> Published:
        """Copy what waits, for `most_seconds` at most.

        A fault of Life Hub is returned and recorded, never raised.
        """
        began = self._clock.monotonic()
        copied = 0
        error = None
        self._retry_refused()
        try:
            while self._any_waiting():
                some = self._copy()
                if some is None:  # another publisher's turn
                    self._try_at = self._clock.monotonic() + TURN_PAUSE
                    break
                copied += some
                if most_seconds is not None and self._clock.monotonic() - began >= most_seconds:
                    break
        except LifeHubError as fault:
            error = str(fault)
            self._failed(error)
        with self._store.read() as tx:
            left = outbox.lag(tx).waiting
        if copied:
            log.info("lifehub.copied", rows=copied, waiting=left)
        return Published(copied, left, error)

    def _any_waiting(self) -> bool:
        with self._store.read() as tx:
            return bool(outbox.waiting(tx, 1))

    def _waiting(self) -> list[Entry]:
        with self._store.read() as tx:
            return outbox.waiting(tx, BATCH)

    def _copy(self) -> int | None:
        """Copy the oldest rows and delete them; return how many, None if another publisher is at it.

        Jobs are read while this publisher has its turn: what another copied before is older than what is read
        now.
        """
        with self._link.transaction() as connection:
            if not own(connection, self._scheduler):
                return None
            entries = self._waiting()
        every = any(entry.kind is RowKind.JOBS for entry in entries)
        refused = self._copy_all() if every else {}  # jobs first: runs may refer to them
        if refused is None:
            return None
        with self._link.transaction() as connection:
            if not own(connection, self._scheduler):
                return None
            named = {entry.job_id for entry in entries if entry.job_id}
            refused |= self._put_jobs(connection, sorted(named))
            attempts = [entry for entry in entries if entry.kind is RowKind.ATTEMPT]
            runs = [
                of_attempt(entry.facts or {}, scheduler=self._scheduler, host=self._host)
                for entry in attempts
            ]
            faults = put_runs(connection, tables_of(connection), runs)
        bad = {attempts[position].id: why for position, why in faults.items()}
        bad |= {
            entry.id: refused[entry.job_id]
            for entry in entries
            if entry.kind is RowKind.JOB and entry.job_id in refused
        }
        self._settle(entries, bad, refused if every else {})
        return len(entries)

    def _copy_all(self) -> dict[str, str] | None:
        """Copy every job as it stands, in several transactions; return those refused.

        Return None if another publisher holds the lock.
        """
        with self._store.read() as tx:
            ids = [job.id for job in registry.all_jobs(tx, removed=True)]
            synced = bundle.state(tx).active_sha is not None
        refused: dict[str, str] = {}
        for start in range(0, len(ids), JOBS_AT_ONCE):
            with self._link.transaction() as connection:
                if not own(connection, self._scheduler):
                    return None
                refused |= self._put_jobs(connection, ids[start : start + JOBS_AT_ONCE])
        with self._link.transaction() as connection:
            if not own(connection, self._scheduler):
                return None
            known = [job_key(self._scheduler, job_id) for job_id in ids]
            if synced:  # before that the jobs are not known
                prefix = job_key(self._scheduler, "")
                switch_off_unknown(connection, tables_of(connection), prefix, known, now=self._clock.now())
        return refused

    def _jobs(self, job_ids: Sequence[str]) -> list[Row]:
        """Read jobs as they stand, removed ones too."""
        now = self._clock.now()
        with self._store.read() as tx:
            found = [job for job_id in job_ids if (job := registry.job(tx, job_id))]
            booted = {
                sha: known[0].booted_at
                for sha in {job.revision for job in found if job.revision}
                if (known := bundle.find_revisions(tx, sha, limit=1))
            }
        return [
            of_job(
                job,
                scheduler=self._scheduler,
                host=self._host,
                loaded_at=booted.get(job.revision or ""),
                now=now,
            )
            for job in found
        ]

    def _put_jobs(self, connection: Any, job_ids: Sequence[str]) -> dict[str, str]:
        """Write jobs and their definitions; return the ids of those refused, with the reasons."""
        tables = tables_of(connection)
        check(tables)
        rows = self._jobs(job_ids)
        faults = put_jobs(connection, tables, rows)
        faults = put_definitions(connection, tables, [of_definition(row) for row in rows]) | faults
        return {rows[position]["job_id"]: why for position, why in faults.items()}

    def _settle(self, entries: Sequence[Entry], bad: dict[int, str], bad_jobs: dict[str, str]) -> None:
        """Delete the rows that were copied, set aside those refused, and note that Life Hub is well.

        `bad_jobs` are refused among all jobs: they are set aside under rows of their own.
        """
        now = self._clock.now()
        with self._store.write() as tx:
            for job_id, why in bad_jobs.items():
                bad[outbox.put_job(tx, job_id, now=now)] = why
            for entry_id, why in bad.items():
                outbox.refuse(tx, entry_id, why)
            outbox.done(tx, [entry.id for entry in entries if entry.id not in bad])
            duties.duty_done(
                tx, DUTY, at=now, detail={"error": None, "failing_since": None, "last_success": iso(now)}
            )
        for entry_id, why in bad.items():
            log.warning("lifehub.refused", row=entry_id, reason=why)
        if self._failures:
            log.info("lifehub.recovered", failures=self._failures)
        self._failures, self._try_at = 0, 0.0

    def _failed(self, error: str) -> None:
        """Record a fault once and delay the next try: 5 seconds, doubling to 5 minutes, spread by a fifth."""
        self._failures += 1
        pause = PAUSES.delay(self._failures, self._random.random())
        self._try_at = self._clock.monotonic() + pause.total_seconds()
        now = self._clock.now()
        with self._store.read() as tx:
            noted = duties.duty(tx, DUTY)
        before = (noted[1] if noted else None) or {}
        if before.get("error") == error:
            return
        log.warning("lifehub.failed", reason=error)
        since = before.get("failing_since") or iso(now)
        detail = {"error": error, "failing_since": since, "last_success": before.get("last_success")}
        with self._store.write() as tx:
            duties.duty_done(tx, DUTY, at=now, detail=detail)

    def _retry_refused(self) -> None:
        """Let refused rows wait again, once an hour and after a start."""
        if self._clock.monotonic() < self._retry_at:
            return
        self._retry_at = self._clock.monotonic() + REFUSED_PAUSE
        with self._store.read() as tx:
            refused = outbox.lag(tx).refused
        if refused:
            with self._store.write() as tx:
                outbox.retry_refused(tx, now=self._clock.now())
