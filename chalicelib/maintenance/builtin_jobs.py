"""The builtin jobs as the application sees them: their definitions, and the replies to their questions.

They run like any job, in a process of their own. What one of them asks is answered here, in bounded pieces,
and only a job whose id is Sauron's own is answered.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.clock import Clock, iso
from chalicelib.errors import StoreError
from chalicelib.model.jobs import BACKUP_JOB, BUILTIN, BUILTIN_PREFIX, JobSpec
from chalicelib.settings import Settings
from chalicelib.store import (
    Store,
    alerts,
    bundle,
    duties,
    history,
    incidents,
    ledger,
    outbox,
    registry,
)

from .backup import backup
from .digest import digest
from .retention import prune


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
        BACKUP_JOB: store.sqlite,
    }
    return {**record, "enabled": able.get(str(record["id"]), True), "place": BUILTIN}


class Answers:
    """The operations that builtin jobs call."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        *,
        advice: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Reply from this store; `advice` returns what of the deployment should be different."""
        self._advice = advice
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
                    return digest(tx, self._settings, value, now=self._clock.now())
        raise StoreError(f"Sauron does not know how to answer {what!r}.")

    def _health(self) -> dict[str, Any]:
        """Say what is wrong with Sauron itself, and how full it is."""
        now = self._clock.now()
        if damage := self._store.damage:
            raise damage
        with self._store.read() as tx:
            faults = [one.reason for one in incidents.open_incidents(tx) if one.job_id is None]
            ticked = duties.duty(tx, duties.TICK)
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
        return {"faults": faults, "facts": facts, "advice": list(self._advice())}
