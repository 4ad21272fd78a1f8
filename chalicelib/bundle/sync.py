"""The sync: fetch the bundle, load its newest revision, compare, activate. All or nothing per revision.

What cannot be fetched or loaded changes nothing: the last good revision stays active and the reason is
recorded. Single bad jobs are left out and recorded; the good ones of that manifest go live. A manifest that
removes most of the jobs is held until someone confirms it. Two processes that sync at once take turns; of two
machines the later one begins again.

A crash leaves the former revision active, or the new one: activation is one transaction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.errors import BundleError, JobSpecError, UnknownRevisionError
from chalicelib.model.jobs import BUNDLE, Job, JobSpec
from chalicelib.model.runs import JobId
from chalicelib.store import Store, bundle, incidents, job_state, ledger, outbox, registry
from chalicelib.store.database import Tx

from .report import SyncReport

log = logs.get(__name__)

FETCH, LOAD, HELD = "fetch", "load", "held"  # where a sync failed
GUARDED_FROM = 4  # a bundle of at least so many jobs may not lose more than half of them unconfirmed


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a revision's boot answered: job records, what was refused as {job_id, place, reason}, and whose commit it is."""

    jobs: Sequence[Mapping[str, Any]]
    rejected: Sequence[Mapping[str, Any]]
    subject: str | None = None
    author: str | None = None


class Loader(Protocol):
    """Where revisions come from. Every method raises BundleError with what was wrong and what to do."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from syncing meanwhile."""

    def fetch(self, ref: str | None) -> str:
        """Fetch a branch, tag or commit (None: the configured branch) and return its full commit id."""

    def load(self, sha: str) -> Loaded:
        """Check a revision out and boot it."""

    def retire(self, keep: Collection[str]) -> None:
        """Let go of the processes and checkouts of revisions that are not in `keep`."""


def sync(
    store: Store,
    clock: Clock,
    loader: Loader | None,
    *,
    ref: str | None = None,
    follow_pin: bool = False,
    accept_removals: bool = False,
    by: str | None = None,
) -> SyncReport:
    """Bring the bundle to its newest revision, or to `ref` and pin it there.

    Without `ref` an earlier pin is let go, unless `follow_pin` says to stay with it (the scheduled sync).
    """
    if loader is None:
        return SyncReport(
            False, "No bundle is configured. Set JOBS_GIT_REPO_URL to the git repository of your jobs."
        )
    with store.write() as tx:
        bundle.change(tx, tried_at=clock.now(), **({} if follow_pin or ref else {"pinned_ref": None}))
    fault = FETCH
    report = None
    try:
        with loader.lock():
            while report is None:
                with store.read() as tx:
                    state = bundle.state(tx)
                pin = ref or (state.pinned_ref if follow_pin else None)
                fault = FETCH
                sha = loader.fetch(pin)
                if sha == state.active_sha:
                    return _unchanged(store, clock, sha, pin)
                fault = LOAD
                report = _load_and_activate(
                    store,
                    clock,
                    loader,
                    sha,
                    pin=pin,
                    accept_removals=accept_removals,
                    instead_of=state.active_sha,
                )
    except BundleError as error:
        report = SyncReport(False, str(error), _active(store), fault=fault)
    if not report.success:
        _record_failure(store, clock, report)
    _tell(report, by)
    return report


def rollback(
    store: Store, clock: Clock, loader: Loader | None, sha: str, *, by: str | None = None
) -> SyncReport:
    """Activate an earlier revision, named by its id or the beginning of it, and pin it. Raises UnknownRevisionError."""
    with store.read() as tx:
        found = bundle.find_revisions(tx, sha.lower()) if len(sha) >= 7 else []  # noqa: PLR2004 - git's own shortest form
    if len(found) != 1 or loader is None:
        raise UnknownRevisionError(sha)
    try:
        with loader.lock():
            report = None
            while report is None:
                report = _load_and_activate(
                    store,
                    clock,
                    loader,
                    found[0].sha,
                    pin=found[0].sha,
                    accept_removals=True,
                    instead_of=_active(store),
                )
    except BundleError as error:
        report = SyncReport(False, str(error), _active(store))
    _tell(report, by)
    return report


def _unchanged(store: Store, clock: Clock, sha: str, pin: str | None) -> SyncReport:
    with store.write() as tx:
        now = clock.now()
        bundle.change(tx, **_well(now), pinned_ref=pin)
        outbox.put_jobs(tx, now=now)
    return SyncReport(True, f"Already at {sha[:12]}.", sha)


def _load_and_activate(
    store: Store,
    clock: Clock,
    loader: Loader,
    sha: str,
    *,
    pin: str | None,
    accept_removals: bool,
    instead_of: str | None,
) -> SyncReport | None:
    """Activate a revision, or answer None if another machine activated one meanwhile: what was fetched here may be older."""
    loaded = loader.load(sha)
    specs, rejected = _checked(loaded)
    with store.write() as tx:
        now = ledger.time_of_act(tx, clock)
        if bundle.state(tx).active_sha != instead_of:
            return None
        gone = _gone(tx, specs)
        if gone and not accept_removals and _needs_confirmation(tx, gone):
            names = ", ".join(sorted(gone)[:5]) + (" ..." if len(gone) > 5 else "")  # noqa: PLR2004 - a readable line
            why = next(
                (
                    f" {one['job_id']} is rejected: {one['reason']}"
                    for one in rejected
                    if one["job_id"] in gone
                ),
                "",
            )
            return SyncReport(
                False,
                f"Revision {sha[:12]} removes {len(gone)} of {_standing(tx)} jobs ({names}), so it is held. If that is meant: "
                f'`sauron sync --accept-removals`, or POST /sync with {{"accept_removals": true}}.{why}',
                bundle.state(tx).active_sha,
                fault=HELD,
            )
        records = [spec.record for spec in specs.values()]
        bundle.add_revision(tx, sha, records, rejected, subject=loaded.subject, author=loaded.author, now=now)
        report = activate(tx, specs, rejected, sha, now=now)
        bundle.mark_activated(tx, sha, now=now)
        bundle.change(
            tx,
            active_sha=sha,
            pinned_ref=pin,
            rejected=rejected,
            **_well(now),
        )
        outbox.put_jobs(tx, now=now)
        keep = bundle.in_use(tx)
    loader.retire(keep)
    return report


def _checked(loaded: Loaded) -> tuple[dict[JobId, JobSpec], list[dict[str, Any]]]:
    """Part the records that can be kept from those that cannot, with the reason for each."""
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
    return specs, rejected


def _standing(tx: Tx) -> int:
    return sum(job.source == BUNDLE for job in registry.all_jobs(tx))


def _gone(tx: Tx, specs: Mapping[JobId, JobSpec]) -> set[str]:
    """Return the standing jobs that have no good definition in the new manifest (a rejected one counts as removed)."""
    renamed = {spec.renamed_from for spec in specs.values()}
    return {
        job.id
        for job in registry.all_jobs(tx)
        if job.source == BUNDLE and job.id not in specs and job.id not in renamed
    }


def _needs_confirmation(tx: Tx, gone: set[str]) -> bool:
    standing = _standing(tx)
    return len(gone) == standing or (standing >= GUARDED_FROM and len(gone) * 2 > standing)


def activate(
    tx: Tx, specs: Mapping[JobId, JobSpec], rejected: Sequence[Mapping[str, Any]], sha: str, *, now: datetime
) -> SyncReport:
    """Make these definitions the bundle's jobs, in the caller's transaction."""
    before: dict[str, Job] = {job.id: job for job in registry.all_jobs(tx, removed=True)}
    standing = {job_id for job_id, job in before.items() if job.source == BUNDLE and job.removed_at is None}
    refused = {str(one["job_id"]): str(one["reason"]) for one in rejected}
    added, rescheduled = [], []
    for spec in specs.values():
        former = spec.renamed_from
        if former and former in standing and former not in specs and spec.id not in before:
            ledger.rename(tx, before[former], spec.id, now=now)
            job_state.rename(tx, former, spec.id)
            incidents.rename(tx, former, spec.id)
            renamed = registry.job(tx, spec.id)
            if renamed is not None:
                before[spec.id] = renamed
                standing.discard(former)
                standing.add(spec.id)
        changed = ledger.define(tx, spec, before.get(spec.id), source=BUNDLE, revision=sha, now=now)
        if spec.id not in standing:
            added.append(spec.id)
        elif changed:
            rescheduled.append(spec.id)
    removed = []
    for job_id in sorted(standing - set(specs)):
        if job_id in refused:
            ledger.reject(tx, before[job_id], refused[job_id])
        else:
            ledger.retire(tx, before[job_id], now=now)
            removed.append(job_id)
    parts = [f"{len(specs)} jobs at {sha[:12]}"]
    parts += [
        f"{len(some)} {word}"
        for some, word in ((added, "added"), (removed, "removed"), (rescheduled, "rescheduled"))
        if some
    ]
    if rejected:
        parts.append(f"{len(rejected)} rejected (see status)")
    return SyncReport(True, ", ".join(parts) + ".", sha, tuple(added), tuple(removed), tuple(rescheduled))


def _active(store: Store) -> str | None:
    with store.read() as tx:
        return bundle.state(tx).active_sha


def _well(now: datetime) -> dict[str, Any]:
    """Return what a sync that ended well records."""
    fine = {"fault": None, "fault_count": 0, "failing_since": None}
    return {"last_sync": now, "last_error": None, "consecutive_failures": 0, **fine}


def _record_failure(store: Store, clock: Clock, report: SyncReport) -> None:
    with store.write() as tx:
        state = bundle.state(tx)
        same = state.fault == report.fault
        bundle.change(
            tx,
            last_error=report.message,
            consecutive_failures=state.consecutive_failures + 1,
            fault=report.fault,
            fault_count=state.fault_count + 1 if same else 1,
            failing_since=(state.failing_since if same else None) or clock.now(),
        )


def _tell(report: SyncReport, by: str | None) -> None:
    if report.success:
        log.info(
            "bundle.activated",
            sha=report.sha,
            added=list(report.jobs_added),
            removed=list(report.jobs_removed),
            rescheduled=list(report.jobs_rescheduled),
            by=by,
        )
    else:
        log.error("bundle.sync_failed", reason=report.message, by=by)
