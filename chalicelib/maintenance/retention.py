"""Retention: what is too old, or too much, is deleted a bounded piece at a time.

Each pass is small transactions, so runs are claimed and recorded meanwhile; a crash between two of them loses
nothing that was to be kept. What a job's ledger needs to be audited goes together with the runs it stands
for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.settings import Settings
from chalicelib.store import (
    Store,
    alerts,
    audit_log,
    bundle,
    incidents,
    log_chunks,
    periods,
    run_days,
    run_pruning,
    sessions,
    silences,
    standings,
)

log = logs.get(__name__)

BATCH = 500  # rows deleted in one transaction
MOST_BATCHES = 20  # in one pass: the rest waits for the next
KEEP_ALERTS = timedelta(days=30)
KEEP_DAYS = timedelta(days=400)  # of the numbers by day: a year's map shows 53 weeks
KEEP_ACTS = 100_000  # of the audit log; older than runs are kept, they go in any case


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows of each kind one pass deleted, and whether there may be more."""

    runs: int = 0
    chunks: int = 0
    alerts: int = 0
    acts: int = 0
    more: bool = False


def prune(
    store: Store, clock: Clock, settings: Settings, *, batch: int = BATCH, most_batches: int = MOST_BATCHES
) -> Pruned:
    """Delete what is beyond its age, and a job's runs beyond their number.

    A transaction deletes at most `batch` rows of a table, a pass makes at most `most_batches` of them.
    """
    now = clock.now()
    runs = chunks = told = acts = 0
    for _ in range(most_batches):
        with store.write() as tx:
            some = (
                log_chunks.prune(tx, before=now - settings.keep_logs, most=batch),
                run_pruning.prune(tx, before=now - settings.keep_runs, most=batch),
                alerts.prune(tx, before=now - KEEP_ALERTS, most=batch)
                + incidents.prune(tx, before=now - KEEP_ALERTS, most=batch),
                audit_log.prune(tx, before=now - settings.keep_runs, keep=KEEP_ACTS, most=batch),
            )
        chunks, runs, told, acts = (
            chunks + some[0],
            runs + some[1],
            told + some[2],
            acts + some[3],
        )
        if more := max(some) >= batch:
            continue
        break
    with store.read() as tx:
        crowded = run_pruning.crowded_jobs(tx, keep=settings.keep_runs_per_job + batch // 10)
        unused = bundle.unused(tx, before=now - settings.keep_runs)
    for job_id in crowded[:most_batches]:
        with store.write() as tx:
            gone = run_pruning.prune_job(tx, job_id, keep=settings.keep_runs_per_job, most=batch)
        runs, more = runs + gone, more or gone >= batch
    with store.write() as tx:
        periods.prune_periods(tx)
        standings.prune(tx, before=now - settings.keep_runs)
        silences.prune(tx, before=now - settings.keep_runs)
        sessions.prune(tx, before=now)
        run_days.prune(tx, before=(now - KEEP_DAYS).date())
        bundle.forget(tx, unused)
    if runs:
        log.info("runs.pruned", count=runs)
    return Pruned(runs, chunks, told, acts, more or len(crowded) > most_batches)
