"""What was around the jobs of the made-up night: bundle, alerts, Life Hub, and what people did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from chalicelib.clock import iso
from chalicelib.model.acts import Door, Outcome
from chalicelib.model.runs import RunState
from chalicelib.store import Store, audit_log, bundle, registry
from chalicelib.store.schema import alerts, outbox
from tests.recorded_runs import record, run_id

TOKEN = "operator-token-of-a-made-up-night"
ENVIRON = {
    "SAURON_API_TOKENS": f"operator:admin:{TOKEN}",
    "JOBS_GIT_REPO_URL": "https://git.example.net/ops/jobs.git",
    "DATABASE_URL": "postgresql://hub@hub.example.net/hub",
    "ALERT_EMAIL": "alerts@example.net",
    "FROM_EMAIL": "sauron@example.net",
    "SAURON_ALERT_WEBHOOK_URL": "https://chat.example.net/hooks/ops",
}
# sha, what its commit says, how long ago it came
REVISIONS = (
    ("7c41e09", "The dump may take an hour; addresses at five", timedelta(hours=15)),
    ("b0d2f71", "Backups are verified after they ran", timedelta(days=3)),
    ("19ae5c4", "Certificates are renewed every six hours", timedelta(days=9)),
)
BACK_ON = datetime(2026, 3, 9, 8, tzinfo=UTC)  # the job that is switched off, which is a Monday
REJECTED = "hour 25 in '0 25 * * *' is not between 0 and 23"
# what else the definitions of some jobs say
MORE: dict[str, dict[str, Any]] = {
    "offsite-backup": {
        "params": {
            "schema": {
                "type": "object",
                "properties": {
                    "volume": {
                        "enum": ["all", "home", "mail", "shop"],
                        "default": "all",
                        "description": "One volume, or all of them",
                    },
                    "rate_mbit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 400},
                    "dry_run": {"type": "boolean", "description": "copies nothing, lists what it would"},
                },
            },
            "defaults": {"volume": "all", "rate_mbit": 400},
        },
        "max_attempts": 1,
        "alert_after": 2,
        "pool": "uplink",
    },
    "daily-digest": {"timezone": "Europe/Berlin"},
}
_WAITING = 14  # rows that Life Hub does not have yet
# minutes ago, who, door, act, subject, reason, and why it was refused
_ACTS: tuple[tuple[float, str, Door, str, str, str | None, str | None], ...] = (
    (4.2, "operator", Door.PAGE, "sign_in", "pages", None, None),
    (
        15,
        "jarvis",
        Door.MCP,
        "trigger",
        "disk-space",
        "Is nas-2 still nearly full?",
        None,
    ),
    (121, "jarvis", Door.MCP, "disable", "cert-renew", None, "The token jarvis may trigger, not operate."),
    (140, "grafana", Door.HTTP, "cancel", "{failed}", None, "The token grafana may read, not trigger."),
    (165, "operator", Door.PAGE, "cancel", "{made[214]}", "The move comes first", None),
    (214, "operator", Door.PAGE, "trigger", "restore-test", "Before the storage move", None),
    (398, "local", Door.CLI, "drain", "vault-1", "kernel update", None),
    (402, "local", Door.CLI, "resume", "vault-1", None, None),
    (540, "operator", Door.PAGE, "disable", "staging-refresh", "{reason}", None),
    (771, "deployer", Door.HTTP, "trigger", "orders-export", "after the downtime", None),
    (772, "deployer", Door.HTTP, "enable", "geo-ip-refresh", None, "Its definition is rejected."),
    (900, "github", Door.HOOK, "sync", "main", "push of 7c41e0900000", None),
    (1480, "operator", Door.PAGE, "test_alerts", "alerts", None, None),
    (4320, "github", Door.HOOK, "sync", "main", "push of b0d2f7100000", None),
    (5604, "local", Door.CLI, "unpause", "everything", None, None),
    (5760, "operator", Door.PAGE, "pause", "everything", "The switch in the rack is replaced", None),
)
_FROM = {"operator": "10.8.0.14", "jarvis": "10.8.0.20", "deployer": "10.8.0.31", "grafana": "10.8.0.9"}
_FROM |= {"github": "192.0.2.44"}
# The runs that triggers made: minutes ago, job, state, seconds that it took, and what else is known of it.
_MADE: tuple[tuple[float, str, RunState, float, dict[str, Any]], ...] = (
    (15, "disk-space", RunState.DEGRADED, 2.1, {"error": "nas-2 /volumes is 91 % full"}),
    (214, "restore-test", RunState.CANCELLED, 2942.4, {"cancel_reason": "cancelled by operator"}),
    (771, "orders-export", RunState.SUCCEEDED, 471, {}),
)


def full(sha: str) -> str:
    """Return a commit id of full length."""
    return sha.ljust(40, "0")


def surround(store: Store, now: datetime, *, reason: str, failed: str) -> None:
    """Put all of this into the store; `reason` is that of the job that is off, `failed` a failed run."""
    _bundle(store, now)
    record(
        store,
        "sauron.backup",
        RunState.SUCCEEDED,
        now.replace(hour=2, minute=10, second=0),
        origin="schedule",
    )
    with store.write() as tx:
        for number, channel in enumerate(("mail", "webhook")):
            sent = now - timedelta(minutes=16)
            about = {"subject": "offsite-backup", "kind": "failing"}
            values = {
                "id": run_id(sent, number),
                "channel": channel,
                "type": "reminder",
                "data": about,
            }
            tx.execute(insert(alerts), [values | {"created_at": sent, "sent_at": sent}])
        waits = {"kind": "attempt", "job_id": "wal-ship", "facts": {}}
        tx.execute(
            insert(outbox),
            [
                waits | {"created_at": now - timedelta(minutes=4, seconds=-17 * one)}
                for one in range(_WAITING)
            ],
        )
    _acts(store, now, reason=reason, failed=failed)


def _acts(store: Store, now: datetime, *, reason: str, failed: str) -> None:
    """Put what people did into the store, with the runs that they asked for."""
    made = {}
    for ago, job_id, state, seconds, more in _MADE:
        by_hand = {"origin": "trigger", "fire_at": None, "revision": full(REVISIONS[0][0]), **more}
        at = now - timedelta(minutes=ago)
        made[ago] = record(store, job_id, state, at, seconds=seconds, **by_hand)
    results: dict[float, dict[str, Any]] = {ago: {"run": run} for ago, run in made.items()}
    results |= {165: {"run": made[214], "was": "running"}, 540: {"until": iso(BACK_ON)}}
    results |= {900: {"pushed": full("7c41e09")}, 4320: {"pushed": full("b0d2f71")}}
    results |= {5604: {"ended": True}, 5760: {"until": None}}
    with store.write() as tx:
        for ago, who, door, act, subject, why, refused in reversed(_ACTS):
            audit_log.add(
                tx,
                at=now - timedelta(minutes=ago),
                who=who,
                door=door,
                act=act,
                subject=subject.format(failed=failed, made=made),
                reason=why and why.format(reason=reason),
                outcome=Outcome.REFUSED if refused else Outcome.DONE,
                detail=refused,
                address=_FROM.get(who),
                result=results.get(ago),
            )


def _bundle(store: Store, now: datetime) -> None:
    """Put three revisions into the store: what the jobs are, and what they were before."""
    rejected = [{"job_id": "geo-ip-refresh", "reason": REJECTED, "place": "manifest.py:61"}]
    with store.write() as tx:
        jobs: dict[str, dict[str, Any]] = {job.id: dict(job.spec.record) for job in registry.all_jobs(tx)}
        before = jobs | {"db-dump-main": jobs["db-dump-main"] | {"timeout_seconds": 2400}}
        first = before | {"uptime-probe": jobs["uptime-probe"] | {"cron": "*/10 * * * *"}}
        del first["backup-verify"], jobs["geo-ip-refresh"]
        for (sha, subject, ago), records in zip(REVISIONS, (jobs, before, first), strict=True):
            bundle.add_revision(
                tx,
                full(sha),
                list(records.values()),
                rejected if records is jobs else [],
                subject=subject,
                author="deploy-bot",
                authored_at=now - ago - timedelta(minutes=3),
                now=now - ago,
            )
            bundle.mark_activated(tx, full(sha), now=now - ago)
        bundle.change(
            tx,
            active_sha=full(REVISIONS[0][0]),
            branch="main",
            tried_at=now - timedelta(seconds=65),
            last_sync=now - timedelta(seconds=64),
        )
