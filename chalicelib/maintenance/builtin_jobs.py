"""The builtin jobs as the application sees them: their definitions, and the replies to their questions.

They run like any job, in a process of their own. What one of them asks is answered here, in bounded pieces,
and only a job whose id is Sauron's own is answered.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import Clock, iso
from chalicelib.errors import StoreError
from chalicelib.model.jobs import BUILTIN, BUILTIN_PREFIX, JobSpec
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts, bundle, history, incidents, ledger, outbox, registry, runners
from chalicelib.store.database import Tx

from .retention import backup, prune

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LATE = timedelta(minutes=1)  # a start later than this is in the digest
SHOWN = 50  # lines of a section of the digest


def define(store: Store, clock: Clock, settings: Settings, records: Sequence[Mapping[str, Any]]) -> None:
    """Bring the registry's builtin jobs to these definitions; writes nothing when they are there already."""
    specs = {
        spec.id: spec
        for spec in (JobSpec.from_record(_decided(record, store, settings)) for record in records)
    }
    with store.read() as tx:
        known = {job.id: job for job in registry.all_jobs(tx, source=BUILTIN)}
    if {job_id: job.spec.definition_hash for job_id, job in known.items()} == {
        job_id: spec.definition_hash for job_id, spec in specs.items()
    }:
        return
    with store.write() as tx:
        now = ledger.time_of_act(tx, clock)
        for spec in specs.values():
            ledger.define(tx, spec, registry.job(tx, spec.id), source=BUILTIN, revision=None, now=now)
        for job_id in known.keys() - specs.keys():
            job = registry.job(tx, job_id)
            if job is not None and job.removed_at is None:
                ledger.retire(tx, job, now=now)


def _decided(record: Mapping[str, Any], store: Store, settings: Settings) -> dict[str, Any]:
    """Return a record with what the settings decide: a job that could not do its work is disabled."""
    able = {
        "sauron.digest": bool((settings.digest_email or settings.notify_email) and settings.from_email),
        "sauron.backup": store.sqlite,
    }
    return {**record, "enabled": able.get(str(record["id"]), True), "place": BUILTIN}


class Answers:
    """The operations that builtin jobs call."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    def __call__(self, job_id: str, what: str | None, value: Any) -> Any:
        """Reply to one question. Raises StoreError, or PermissionError for a job of the bundle."""
        if not job_id.startswith(BUILTIN_PREFIX):
            raise PermissionError("only Sauron's builtin jobs may ask this")
        match what:
            case "health":
                return self._health()
            case "prune":
                done = dataclasses.asdict(prune(self._store, self._clock, self._settings))
                return {"more": done.pop("more"), "deleted": done}
            case "backup":
                made = backup(self._store, self._clock, self._settings)
                return {"file": str(made.file), "bytes": made.size, "kept": made.kept}
            case "digest":
                with self._store.read() as tx:
                    return self._digest(tx, value)
        raise StoreError(f"Sauron does not know how to answer {what!r}.")

    def _health(self) -> dict[str, Any]:
        """Say what is wrong with Sauron itself, and how full it is."""
        now = self._clock.now()
        with self._store.read() as tx:
            faults = [one.reason for one in incidents.open_incidents(tx) if one.job_id is None]
            ticked = runners.duty(tx, runners.TICK)
            state = bundle.state(tx)
            facts: dict[str, Any] = {
                **history.counts(tx),
                "jobs": registry.count(tx),
                "rejected_jobs": len(state.rejected),
                "last_tick_seconds": round((now - ticked[0]).total_seconds(), 1) if ticked else None,
                "last_good_sync": state.last_sync and iso(state.last_sync),
                "alerts_waiting": alerts.waiting(tx),
                "outbox_waiting": outbox.lag(tx).waiting,
                "outbox_refused": outbox.lag(tx).refused,
            }
        if self._store.path is not None:
            files = (self._store.path, self._store.path.with_name(self._store.path.name + "-wal"))
            facts["store_mb"] = round(sum(file.stat().st_size for file in files if file.exists()) / 2**20, 1)
            facts["disk_free_mb"] = shutil.disk_usage(self._store.path.parent).free >> 20
        return {"faults": faults, "facts": facts}

    def _digest(self, tx: Tx, last: Any) -> dict[str, Any]:
        """Gather the digest of the time since `last` (ISO 8601, at most a week ago; without it, of a day)."""
        now = self._clock.now()
        since = now - DAY
        if isinstance(last, str):
            since = max(datetime.fromisoformat(last), now - 7 * DAY)
        jobs: dict[str, dict[str, int]] = {}
        totals: dict[str, int] = {}
        for job_id, state, count in history.tally(tx, since=since, until=now):
            jobs.setdefault(job_id, {})[state] = count
            totals[state] = totals.get(state, 0) + count
        return {
            "scheduler": self._settings.scheduler_name,
            "since": _minute(since),
            "until": iso(now),
            "now": _minute(now),
            "totals": totals,
            "jobs": [{"job_id": job_id, "states": states} for job_id, states in sorted(jobs.items())][
                : 4 * SHOWN
            ],
            "failures": [
                {
                    "job_id": run.job_id,
                    "at": _minute(run.finished_at or now),
                    "state": run.state,
                    "error": " ".join((run.error or "").split())[:200],
                    "link": f"{self._settings.base_link}/ui/runs/{run.id}",
                }
                for run in history.failed(tx, since=since, until=now, most=SHOWN)
            ],
            "late": [
                {
                    "job_id": run.job_id,
                    "due": _minute(run.due_at),
                    "late_seconds": (run.started_at - run.due_at) // SECOND,
                }
                for run in history.first_attempts(tx, since=since, until=now, most=5000)
                if run.started_at is not None and run.started_at - run.due_at > LATE
            ][:SHOWN],
            "incidents": [
                {
                    "subject": one.subject,
                    "since": _minute(one.since),
                    "reason": " ".join(one.reason.split())[:200],
                }
                for one in incidents.open_incidents(tx)[:SHOWN]
            ],
            "due": [
                {"job_id": job.id, "at": _minute(fire_at)}
                for job in registry.firing_first(tx, most=2 * SHOWN)
                for fire_at in job.next_fires(now=now, count=1)
                if fire_at <= now + DAY and job.source != BUILTIN
            ][:SHOWN],
        }


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
