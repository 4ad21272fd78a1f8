"""Making a loaded revision the one in force: compare it with the registry, then replace the bundle's jobs.

All of it happens in the caller's transaction: after a crash the former revision is active, or the new one.
Single definitions that cannot be kept are left out and recorded; the good ones of that manifest go live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.errors import JobSpecError
from chalicelib.model import chains
from chalicelib.model.jobs import BUNDLE, Job, JobSpec
from chalicelib.model.removals import mass_removal, some_of
from chalicelib.model.runs import JobId
from chalicelib.store import incidents, job_state, ledger, registry
from chalicelib.store.database import Tx
from chalicelib.text import counted

from .report import SyncReport


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a revision's boot returned: job records, refusals as {job_id, place, reason}, and its commit.

    `remarks` is what its author should know, each as {file, line, text, cure}.
    """

    jobs: Sequence[Mapping[str, Any]]
    rejected: Sequence[Mapping[str, Any]]
    subject: str | None = None
    author: str | None = None
    remarks: Sequence[Mapping[str, Any]] = ()
    authored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Definitions:
    """The definitions of a revision: those that can be in force, and those refused, each with the reason."""

    specs: Mapping[JobId, JobSpec]
    rejected: Sequence[Mapping[str, Any]]


def check_definitions(loaded: Loaded) -> Definitions:
    """Part the records that can be kept from those that cannot."""
    specs: dict[JobId, JobSpec] = {}
    rejected = [dict(one) for one in loaded.rejected]
    for record in loaded.jobs:
        spec = JobSpec.from_record(record)
        try:
            spec.check()
        except JobSpecError as error:
            rejected.append({"job_id": spec.id, "place": spec.place, "reason": str(error)})
        else:
            specs[spec.id] = spec
    for job_id, reason in chains.refusals(specs).items():
        rejected.append({"job_id": job_id, "place": specs.pop(job_id).place, "reason": reason})
    return Definitions(specs, rejected)


def why_held(tx: Tx, sha: str, found: Definitions) -> str | None:
    """Return why a revision may not be activated unconfirmed, or None: it would remove most of the jobs.

    A job whose new definition is rejected counts as removed.
    """
    in_force = registry.ids_of_bundle(tx)
    gone = mass_removal(in_force, found.specs.values())
    if not gone:
        return None
    refusal = next((one for one in found.rejected if one["job_id"] in gone), None)
    why = f" {refusal['job_id']} is rejected: {refusal['reason']}" if refusal else ""
    return (
        f"Revision {sha[:12]} would remove {len(gone)} of {len(in_force)} jobs ({some_of(gone)}), so it was "
        "not activated. To allow it: `sauron sync --accept-removals`, or POST /sync with "
        f'{{"accept_removals": true}}.{why}'
    )


def activate(tx: Tx, found: Definitions, sha: str, *, now: datetime) -> SyncReport:
    """Make these definitions the bundle's jobs."""
    in_force = registry.ids_of_bundle(tx)
    before: dict[str, Job] = {job.id: job for job in registry.others(tx, found.specs)}
    refused = {str(one["job_id"]): str(one["reason"]) for one in found.rejected}
    added, rescheduled = [], []
    for spec in found.specs.values():
        if spec.id in in_force and spec.id not in before:
            continue  # it is in force as it is
        former = spec.renamed_from
        if former and former in in_force and former not in found.specs and spec.id not in before:
            _rename(tx, before, former, spec.id, now=now)
            in_force.discard(former)
            in_force.add(spec.id)
        changed = ledger.define(tx, spec, before.get(spec.id), source=BUNDLE, revision=sha, now=now)
        if spec.id not in in_force:
            added.append(spec.id)
        elif changed:
            rescheduled.append(spec.id)
    removed = []
    for job_id in sorted(in_force - set(found.specs)):
        if job_id in refused:
            ledger.reject(tx, before[job_id], refused[job_id], now=now, revision=sha)
        else:
            ledger.retire(tx, before[job_id], now=now, revision=sha)
            removed.append(job_id)
    counts = {"added": len(added), "removed": len(removed), "rescheduled": len(rescheduled)}
    parts = [f"{counted(len(found.specs), 'job')} at {sha[:12]}"]
    parts += [f"{count} {word}" for word, count in counts.items() if count]
    if found.rejected:
        parts.append(f"{len(found.rejected)} rejected (see status)")
    return SyncReport(True, ", ".join(parts) + ".", sha, tuple(added), tuple(removed), tuple(rescheduled))


def _rename(tx: Tx, before: dict[str, Job], former: str, job_id: JobId, *, now: datetime) -> None:
    """Carry everything that is known of a job over to its new id."""
    ledger.rename(tx, before[former], job_id, now=now)
    job_state.rename(tx, former, job_id)
    incidents.rename(tx, former, job_id)
    renamed = registry.job(tx, job_id)
    if renamed is not None:
        before[job_id] = renamed
