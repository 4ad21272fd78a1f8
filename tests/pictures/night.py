"""A night on a small server, as a store: nineteen jobs, of which some fail, wait, were missed or are off."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from chalicelib import __version__
from chalicelib.clock import iso
from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import Override
from chalicelib.model.runs import GOOD, RunState
from chalicelib.model.usage import Point, Usage, measured
from chalicelib.store import Store, duties, incidents, ledger, registry, runners, silences
from chalicelib.store.schema import attempts, chain_ends, job_queue, jobs, log_chunks
from tests.conftest import ManualClock, define
from tests.recorded_runs import record, record_all, row

from . import surroundings

NOW = datetime(2026, 3, 7, 2, 47, 12, tzinfo=UTC)  # a Saturday
DOWN = (datetime(2026, 3, 6, 13, 5, tzinfo=UTC), datetime(2026, 3, 6, 13, 52, tzinfo=UTC))
REVISION = surroundings.full("7c41e09")
SWITCHED_OFF = "Storage move on nas-2; the snapshots would be half."
CHILD = "backup-verify"  # after offsite-backup
# id, schedule, what it does, its limit and its usual duration in seconds
JOBS = (
    ("offsite-backup", "30 1 * * *", "Copies every volume to the other region", 3600, 2460),
    ("cert-renew", "0 */6 * * *", "Renews certificates that end within 30 days", 300, 38),
    ("crm-sync", "*/15 * * * *", "Contacts and deals into the warehouse", 2700, 240),
    ("disk-space", "*/10 * * * *", "How full the disks of six hosts are", 60, 2),
    ("orders-export", "15 13 * * *", "Yesterday's orders for the bookkeeping", 900, 480),
    ("staging-refresh", "0 */4 * * *", "A copy of production for staging", 900, 180),
    ("geo-ip-refresh", "0 5 * * *", "Where addresses are, for the fraud rules", 600, 95),
    ("wal-ship", "* * * * *", "Write-ahead segments to the second server", 50, 1),
    ("uptime-probe", "*/5 * * * *", "Fourteen addresses: status, latency, certificate", 50, 1),
    ("inventory-sync", "*/30 * * * *", "Stock of the shop and the warehouse", 1700, 720),
    ("dns-drift", "15 * * * *", "Compares zones with what resolvers say", 300, 44),
    ("log-rotate", "15 3 * * *", "Compresses and removes logs", 900, 180),
    ("mailbox-archive", "0 4 * * *", "Moves mail older than a year", 3600, 1320),
    ("cert-expiry", "0 6 * * *", "Reads the end of each certificate from outside", 300, 21),
    ("image-prune", "0 5 * * 0", "Removes container images that nothing uses", 1800, 260),
    ("daily-digest", "0 7 * * 1-5", "What happened since yesterday, by mail", 300, 12),
    ("restore-test", "30 4 1 * *", "Restores the newest copy and compares", 7200, 5400),
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
_DUMPED = {"status": "ok", "tables": 58, "gib": 31.7, "seconds": 1544}
# seconds after the line before, and the line
_LOG = """0 \x1b[1mpg_dump\x1b[0m 16.4 -> nas-2:/dumps/main
1 \x1b[34minfo\x1b[0m  connected to \x1b[32mdb-1:5432/main\x1b[0m as dump (read only, 58 tables)
0 \x1b[34minfo\x1b[0m  snapshot 00000003-0001A2F4-1 exported
42 \x1b[32mdone\x1b[0m  accounts           1 204 331 rows   0.41 GiB      42 s
25 \x1b[32mdone\x1b[0m  addresses          2 877 014 rows   0.38 GiB      25 s
163 \x1b[32mdone\x1b[0m  invoices           9 410 882 rows   2.20 GiB  2 min 43 s
0 \x1b[33mwarn\x1b[0m  invoice_lines: 3 dead tuples, read again
199 \x1b[32mdone\x1b[0m  invoice_lines     41 003 127 rows   6.02 GiB  3 min 19 s
1 \x1b[31merror\x1b[0m events_2023: server closed the connection; trying again in 5 s
5 \x1b[34minfo\x1b[0m  connected again, same snapshot
164 \x1b[32mdone\x1b[0m  events_2023       22 518 900 rows   3.31 GiB  2 min 44 s
148 \x1b[32mdone\x1b[0m  events_2024       20 117 342 rows   2.98 GiB  2 min 28 s
143 \x1b[32mdone\x1b[0m  events_2025       19 876 555 rows   2.91 GiB  2 min 23 s
10 \x1b[34minfo\x1b[0m  events_2026: 41 of 58
"""

_FAILED = (job_queue.c.job_id == "cert-renew", job_queue.c.state == RunState.FAILED)
_RENEWAL = """11 certificates, of which 1 ends within 30 days: mail.example.net (9 days)
asking for a challenge: DNS-01, _acme-challenge.mail.example.net
\x1b[31merror\x1b[0m ns1.example.net refused the update of the zone: REFUSED
\x1b[33mwarn\x1b[0m  the certificate of mail.example.net stays as it is
"""


def fill(store: Store) -> None:
    """Put the night into an empty store."""
    clock = ManualClock(NOW - timedelta(days=2))
    for job_id, cron, text, limit, _ in JOBS:
        overlap = "queue" if job_id == "crm-sync" else "skip"
        more = {"description": text, "timeout_seconds": limit, "tags": ["ops"], "overlap": overlap}
        define(store, clock, job_id, cron, **more | surroundings.MORE.get(job_id, {}))
    define(store, clock, CHILD, "", after=["offsite-backup"], description="Reads a tenth of the copy back")
    with store.write() as tx:
        tx.execute(delete(job_queue))  # what defining them queued
    chance = random.Random(7)  # noqa: S311 - no secret, a picture
    past = [
        _occurrence(chance, job_id, cron, fire_at, limit, usual)
        for job_id, cron, _, limit, usual in JOBS
        for fire_at in Schedule.parse(cron).between(NOW - _kept(job_id, cron), NOW - timedelta(seconds=20))
    ]
    nights = [NOW.replace(hour=1, minute=30, second=0) - timedelta(days=days) for days in range(3, 340)]
    past += [_backup_of(chance, night) for night in nights]
    record_all(store, [one for one in past if one is not None])
    record_all(store, [_verified(one) for one in past if one and one["job_id"] == "offsite-backup"])
    _what_runs(store)
    _what_failed(store)
    _what_the_backup_used(store)
    _what_people_know(store)
    with store.write() as tx:
        for job_id, cron, *_ in JOBS:
            fires = {"next_fire_at": Schedule.parse(cron).after(NOW), "cursor": NOW, "revision": REVISION}
            tx.execute(update(jobs).where(jobs.c.job_id == job_id).values(fires))
        tx.execute(delete(chain_ends))  # their children are recorded above
        rejected = {"rejected": surroundings.REJECTED, "next_fire_at": None}
        tx.execute(update(jobs).where(jobs.c.job_id == "geo-ip-refresh").values(rejected))
        job = registry.job(tx, "staging-refresh")
        assert job is not None
        at = NOW - timedelta(hours=9)
        until = surroundings.BACK_ON
        switch = Override(enabled=False, reason=SWITCHED_OFF, by="operator", at=at, until=until)
        registry.set_override(tx, job.id, switch)
        ledger.switch(tx, job, enabled=False, at=NOW, now=NOW)
        silences.note(tx, since=DOWN[0], until=DOWN[1])
        duties.duty_done(tx, duties.TICK, at=NOW - timedelta(seconds=3))
        failed = tx.execute(select(job_queue.c.id).where(*_FAILED)).scalar_one()
        runner = runners.Runner("vault-1", "vault-1", 1, __version__, at, NOW, revision=REVISION)
        runners.runner_seen(tx, runner)
    surroundings.surround(store, NOW, reason=SWITCHED_OFF, failed=failed)


def _kept(job_id: str, cron: str) -> timedelta:
    """Return how far back the runs of a job go: the less often it runs, the longer."""
    schedule = Schedule.parse(cron)
    for days, most in () if job_id == "offsite-backup" else ((300, 45), (60, 62), (6, 150)):
        if schedule.count_between(NOW - timedelta(days=days), NOW) < most:
            return timedelta(days=days)
    return timedelta(days=2)


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


def _verified(backup: dict[str, Any]) -> dict[str, Any]:
    """Return what the child of a backup did after it."""
    at, well = backup["fire_at"], backup["state"] in GOOD
    how = str(backup["state"]).replace("_", " ")
    why = None if well else f"offsite-backup, which it follows, {how} (run {backup['id']})"
    begun = backup["finished_at"]
    chain = {"origin": "chain", "fire_at": None, "chain_at": at, "chain_key": iso(at), "revision": REVISION}
    state = RunState.SUCCEEDED if well else RunState.SKIPPED
    return row(CHILD, state, begun, seconds=500, reason=why, **chain)


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
    slow = 1.3 if chance.random() < SELDOM * 5 and grown == 1 else 1.0
    seconds = chance.uniform(2150, 2550) * grown * slow
    return row("offsite-backup", state, at, seconds=seconds, revision="b0d2f71" + "0" * 33, error=why)


def _what_runs(store: Store) -> None:
    begun = NOW.replace(minute=30, second=0)
    note: dict[str, Any] = {
        "progress": 0.64,
        "progress_note": "table 41 of 58: events_2026",
        "progress_at": NOW - timedelta(seconds=66),
        "revision": REVISION,
        "params": {"database": "main", "compress": "zstd:9"},
    }
    run = record(store, "db-dump-main", RunState.RUNNING, begun, **note)
    since: dict[str, Any] = {"progress_note": "page 212", "progress_at": NOW - timedelta(minutes=26)}
    waits = record(store, "crm-sync", RunState.RUNNING, NOW.replace(minute=15, second=0), **since)
    for minute in (30, 45):
        record(store, "crm-sync", RunState.QUEUED, NOW.replace(minute=minute, second=0))
    second = begun + timedelta(seconds=65)
    refused = {
        "finished_at": begun + timedelta(seconds=4),
        "outcome": "failed",
        "exit_code": 1,
        "error": "db-1:5432 refused the connection",
        "error_type": "ConnectionError",
        "max_rss_kb": 38_900,
        "cpu_seconds": 0.3,
    }
    tries = [
        {"run_id": run, "number": 1, "started_at": begun, "runner": "vault-1", **refused},
        {"run_id": run, "number": 2, "started_at": second, "runner": "vault-1", "usage": _of_dump()},
        {
            "run_id": waits,
            "number": 1,
            "started_at": NOW.replace(minute=15, second=0),
            "runner": "vault-1",
            "usage": measured(None, Point(1925, 58, 0), ()).as_json(),
        },
    ]
    log, at = [], second
    for line in _LOG.splitlines(keepends=True):
        seconds, _, text = line.partition(" ")
        at += timedelta(seconds=int(seconds))
        log.append({"run_id": run, "attempt": 2, "written_at": at, "text": text})
    with store.write() as tx:
        for one in tries:
            tx.execute(insert(attempts), [one])
        tx.execute(insert(log_chunks), log)
        tx.execute(update(job_queue).where(job_queue.c.id == run).values(attempt=2, started_at=second))
        of_dump = (job_queue.c.job_id == "db-dump-main", job_queue.c.state == RunState.SUCCEEDED)
        tx.execute(update(job_queue).where(*of_dump).values(result=_DUMPED))


def _of_dump() -> dict[str, Any]:
    """What the dump used: its tables grow, and now and then it waits for the database."""
    usage: Usage | None = None
    for number in range(1, 97):
        waits = 41 <= number <= 43
        memory = 118 + 1.6 * number + 22 * (number % 9 == 0)
        processors = 0.04 if waits else 1.15 + 0.3 * ((number * 7) % 5 - 2) / 2
        usage = measured(usage, Point(10 * number, round(memory, 1), processors), ("pg_dump", "zstd"))
    assert usage
    return usage.as_json()


def _what_the_backup_used(store: Store) -> None:
    """Give the runs of the backup their attempts, with memory that grows as what is copied does."""
    mine = (job_queue.c.job_id == "offsite-backup", job_queue.c.finished_at.is_not(None))
    with store.write() as tx:
        ran = select(job_queue).where(*mine, job_queue.c.attempt > 0).order_by(job_queue.c.due_at)
        for number, run in enumerate(tx.execute(ran).mappings().all()):
            seconds = (run["finished_at"] - run["started_at"]).total_seconds()
            attempt = {
                "run_id": run["id"],
                "number": run["attempt"],
                "started_at": run["started_at"],
                "finished_at": run["finished_at"],
                "outcome": run["state"],
                "runner": "vault-1",
                "max_rss_kb": (212 + number // 3 + 9 * (number * 5 % 7)) << 10,
                "cpu_seconds": round(seconds * (0.21 + 0.01 * (number * 3 % 5)), 1),
            }
            tx.execute(insert(attempts), [attempt])


def _what_failed(store: Store) -> None:
    """Give the failed renewal of a certificate its attempt and its log."""
    with store.write() as tx:
        run = tx.execute(select(job_queue).where(*_FAILED)).mappings().one()
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
        ("geo-ip-refresh", "rejected", surroundings.REJECTED, timedelta(hours=15), NOW - timedelta(hours=14)),
        ("crm-sync", "late", "its run was due at 02:30 and has not started", timedelta(minutes=17), None),
        (
            "orders-export",
            "missed",
            _DOWN,
            timedelta(hours=13, minutes=32, seconds=12),
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
