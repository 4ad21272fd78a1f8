"""A night on a small server, as a store: thirteen jobs, of which some fail, wait, were missed or are off."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import Override
from chalicelib.model.runs import RunState
from chalicelib.store import Store, duties, incidents, ledger, registry, silences
from chalicelib.store.schema import attempts, job_queue, jobs, log_chunks
from tests.conftest import ManualClock, define
from tests.recorded_runs import record, record_all, row

NOW = datetime(2026, 3, 7, 2, 47, 12, tzinfo=UTC)  # a Saturday
DOWN = (datetime(2026, 3, 6, 13, 5, tzinfo=UTC), datetime(2026, 3, 6, 13, 52, tzinfo=UTC))
REVISION = "7c41e09" + "0" * 33
# id, schedule, what it does, its limit and its usual duration in seconds
JOBS = (
    ("offsite-backup", "30 1 * * *", "Copies every volume to the other region", 3600, 2460),
    ("cert-renew", "0 */6 * * *", "Renews certificates that end within 30 days", 300, 38),
    ("crm-sync", "*/15 * * * *", "Contacts and deals into the warehouse", 2700, 240),
    ("disk-space", "*/10 * * * *", "How full the disks of six hosts are", 60, 2),
    ("orders-export", "15 13 * * *", "Yesterday's orders for the bookkeeping", 900, 480),
    ("staging-refresh", "0 */4 * * *", "A copy of production for staging", 900, 180),
    ("wal-ship", "* * * * *", "Write-ahead segments to the second server", 50, 1),
    ("uptime-probe", "*/5 * * * *", "Fourteen addresses: status, latency, certificate", 50, 1),
    ("inventory-sync", "*/30 * * * *", "Stock of the shop and the warehouse", 1700, 720),
    ("dns-drift", "15 * * * *", "Compares zones with what resolvers say", 300, 44),
    ("log-rotate", "15 3 * * *", "Compresses and removes logs", 900, 180),
    ("mailbox-archive", "0 4 * * *", "Moves mail older than a year", 3600, 1320),
    ("db-dump-main", "30 2 * * *", "pg_dump of the main database, compressed", 3600, 1560),
)
_OF_DOWN = ("orders-export", "wal-ship", "crm-sync", "disk-space", "uptime-probe", "inventory-sync")
_CERTIFICATE = "DNS-01 for mail.example.net: the zone refused the update (REFUSED). Its end is in 9 days."
_DOWN = "Sauron was down from 13:05 to 13:52, and the job's catch-up is none."
# since when no occurrence of these has ended
_SILENT = {
    "crm-sync": timedelta(minutes=45),
    "db-dump-main": timedelta(hours=1),
    "staging-refresh": timedelta(hours=9),
}
SELDOM, OFTEN = 0.004, 0.06
_LOG = """pg_dump 16.4 -> nas-2:/dumps/main
info  connected to db-1:5432/main as dump (read only, 58 tables)
info  snapshot 00000003-0001A2F4-1 exported
done  accounts           1 204 331 rows   0.41 GiB      42 s
done  addresses          2 877 014 rows   0.38 GiB      25 s
done  invoices           9 410 882 rows   2.20 GiB  2 min 43 s
warn  invoice_lines: 3 dead tuples, read again
info  events_2026: 41 of 58
"""

_RENEWAL = """11 certificates, of which 1 ends within 30 days: mail.example.net (9 days)
asking for a challenge: DNS-01, _acme-challenge.mail.example.net
\x1b[31merror\x1b[0m ns1.example.net refused the update of the zone: REFUSED
\x1b[33mwarn\x1b[0m  the certificate of mail.example.net stays as it is
"""


def fill(store: Store) -> None:
    """Put the night into an empty store."""
    clock = ManualClock(NOW - timedelta(days=2))
    for job_id, cron, text, limit, _ in JOBS:
        define(store, clock, job_id, cron, description=text, timeout_seconds=limit, tags=["ops"])
    with store.write() as tx:
        tx.execute(delete(job_queue))  # what defining them queued
    chance = random.Random(7)  # noqa: S311 - no secret, a picture
    past = [
        _occurrence(chance, job_id, cron, fire_at, limit, usual)
        for job_id, cron, _, limit, usual in JOBS
        for fire_at in Schedule.parse(cron).between(NOW - timedelta(days=2), NOW - timedelta(seconds=20))
    ]
    nights = [NOW.replace(hour=1, minute=30, second=0) - timedelta(days=days) for days in range(3, 340)]
    past += [_backup_of(chance, night) for night in nights]
    record_all(store, [one for one in past if one is not None])
    _what_runs(store)
    _what_failed(store)
    _what_people_know(store)
    with store.write() as tx:
        for job_id, cron, *_ in JOBS:
            fires = {"next_fire_at": Schedule.parse(cron).after(NOW), "cursor": NOW, "revision": REVISION}
            tx.execute(update(jobs).where(jobs.c.job_id == job_id).values(fires))
        job = registry.job(tx, "staging-refresh")
        assert job is not None
        reason = "Storage move on nas-2; the snapshots would be half."
        at = NOW - timedelta(hours=9)
        until = datetime(2026, 3, 9, 8, tzinfo=UTC)
        switch = Override(enabled=False, reason=reason, by="laptop", at=at, until=until)
        registry.set_override(tx, job.id, switch)
        ledger.switch(tx, job, enabled=False, at=NOW, now=NOW)
        silences.note(tx, since=DOWN[0], until=DOWN[1])
        duties.duty_done(tx, duties.TICK, at=NOW - timedelta(seconds=3))


def _occurrence(
    chance: random.Random, job_id: str, cron: str, fire_at: datetime, limit: int, usual: int
) -> dict[str, Any] | None:
    if job_id in _OF_DOWN and DOWN[0] <= fire_at <= DOWN[1]:
        if Schedule.parse(cron).after(fire_at) > DOWN[1]:  # the last of the gap
            return row(job_id, RunState.MISSED, fire_at, gap_from=DOWN[0], gap_count=2, reason=_DOWN)
        return None
    if NOW - fire_at < _SILENT.get(job_id, timedelta()):
        return None
    state, why = _end(chance, job_id, NOW - fire_at)
    seconds = limit if state == RunState.TIMED_OUT else usual * chance.uniform(0.85, 1.15)
    reason = {"reason" if state == RunState.SKIPPED else "error": why}
    return row(job_id, state, fire_at, seconds=seconds, revision=REVISION, **reason)


def _end(chance: random.Random, job_id: str, ago: timedelta) -> tuple[RunState, str | None]:
    if job_id == "offsite-backup":
        return RunState.TIMED_OUT, "Stopped after 1 h, the limit of one attempt."
    if job_id == "disk-space" and ago < timedelta(minutes=40):
        return RunState.DEGRADED, "nas-2 /volumes is 91 % full; the job's limit is 90 %."
    if job_id == "cert-renew" and ago < timedelta(hours=3):
        return RunState.FAILED, _CERTIFICATE
    if job_id == "uptime-probe" and chance.random() < SELDOM:
        return RunState.FAILED, "shop.example.net answered 503"
    if job_id == "inventory-sync" and chance.random() < OFTEN:
        return RunState.SKIPPED, "The run before was still going (overlap is skip)."
    return RunState.SUCCEEDED, None


def _backup_of(chance: random.Random, at: datetime) -> dict[str, Any]:
    weights = {
        RunState.SUCCEEDED: 92,
        RunState.DEGRADED: 2,
        RunState.FAILED: 3,
        RunState.SKIPPED: 2,
        RunState.MISSED: 2,
    }
    (state,) = chance.choices(list(weights), list(weights.values()))
    grown = 1 + max(0, 60 - (NOW - at).days) / 150
    why = {RunState.FAILED: "nas-2 closed the connection", RunState.SKIPPED: "still going"}.get(state)
    seconds = chance.uniform(2150, 2550) * grown
    return row("offsite-backup", state, at, seconds=seconds, revision="b0d2f71" + "0" * 33, error=why)


def _what_runs(store: Store) -> None:
    begun = NOW.replace(minute=30, second=0)
    note: dict[str, Any] = {
        "progress": 0.64,
        "progress_note": "table 41 of 58: events_2026",
        "revision": REVISION,
    }
    run = record(store, "db-dump-main", RunState.RUNNING, begun, **note)
    record(store, "crm-sync", RunState.RUNNING, NOW.replace(minute=15, second=0), progress_note="page 212")
    attempt = {"run_id": run, "number": 1, "started_at": begun, "runner": "vault-1"}
    log = {"run_id": run, "attempt": 1, "written_at": NOW, "text": _LOG}
    with store.write() as tx:
        tx.execute(insert(attempts), [attempt])
        tx.execute(insert(log_chunks), [log])


def _what_failed(store: Store) -> None:
    """Give the failed renewal of a certificate its attempt and its log."""
    wanted = (job_queue.c.job_id == "cert-renew", job_queue.c.state == RunState.FAILED)
    with store.write() as tx:
        run = tx.execute(select(job_queue).where(*wanted)).mappings().one()
        own = job_queue.c.id == run["id"]
        tx.execute(update(job_queue).where(own).values(attempt=1, max_attempts=1))
        attempt = {
            "run_id": run["id"],
            "number": 1,
            "started_at": run["started_at"],
            "finished_at": run["finished_at"],
            "outcome": "failed",
            "runner": "vault-1",
            "exit_code": 1,
            "error": _CERTIFICATE,
            "error_type": "UpdateRefused",
            "max_rss_kb": 41_216,
            "cpu_seconds": 1.9,
        }
        log = {"run_id": run["id"], "attempt": 1, "written_at": run["finished_at"], "text": _RENEWAL}
        tx.execute(insert(attempts), [attempt])
        tx.execute(insert(log_chunks), [log])


def _what_people_know(store: Store) -> None:
    known = (
        ("offsite-backup", "failing", "Stopped after 1 h.", timedelta(days=2), NOW - timedelta(minutes=16)),
        ("cert-renew", "failing", _CERTIFICATE, timedelta(hours=2, minutes=47), NOW - timedelta(hours=2)),
        ("crm-sync", "late", "its run was due at 02:30 and has not started", timedelta(minutes=17), None),
        (
            "orders-export",
            "missed",
            _DOWN,
            timedelta(hours=13),
            NOW - timedelta(hours=12),
        ),
    )
    with store.write() as tx:
        for job_id, kind, reason, since, told_at in known:
            incidents.begin(
                tx,
                job_id,
                kind,
                reason=reason,
                since=NOW - since,
                told_at=told_at,
                job_id=job_id,
                run_id=None,
            )
