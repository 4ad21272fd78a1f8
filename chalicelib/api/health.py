"""/health, /ready and /status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import __version__
from chalicelib.bundle.install_log import install_log
from chalicelib.clock import iso
from chalicelib.lifehub.publisher import DUTY
from chalicelib.operations.missing_secrets import missing_secrets
from chalicelib.store import alerts, incidents, outbox, runners
from chalicelib.wiring import PROCESS

from . import serializers, status_report
from .auth import is_open
from .routing import as_json, current_request, get

blueprint = Blueprint(__name__)


@get(blueprint, "/health")
def health() -> Response:
    """Say whether this process does its work: 503 when its clock or workers have stopped. Where it has none, it answers."""
    sauron = PROCESS.built
    fault = status_report.stopped(sauron) if sauron else None
    now = sauron.clock.now() if sauron else datetime.now(UTC)
    answer: dict[str, Any] = {"status": "healthy", "version": __version__, "timestamp": iso(now)}
    return (
        as_json(answer) if fault is None else as_json(answer | {"status": "unhealthy", "detail": fault}, 503)
    )


@get(blueprint, "/ready")
def ready() -> Response:
    """Say part by part whether runs can be taken on. The bundle's line never decides: git may be down."""
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = status_report.look(sauron, tx)
    parts = {
        "store": "ready",
        "clock": "ready" if found.scheduler_running else "no tick yet, or none for three minutes",
        "workers": "ready" if found.workers_alive else "stopped",
    }
    fine = all(line == "ready" for line in parts.values())
    if found.state.active_sha:
        parts["bundle"] = f"revision {found.state.active_sha[:12]}, {found.jobs_count} jobs"
    elif sauron.settings.jobs_git_repo_url:
        parts["bundle"] = "not synced yet"
    else:
        parts["bundle"] = "none configured (JOBS_GIT_REPO_URL)"
    return as_json({"ready": fine, "parts": parts}, 200 if fine else 503)


@get(blueprint, "/status")
def status() -> dict[str, Any]:
    """Say everything an operator asks first."""
    sauron = current_request().sauron
    settings = sauron.settings
    with sauron.store.read() as tx:
        found = status_report.look(sauron, tx)
        upcoming = status_report.next_runs(tx, now=found.now)
        copied = serializers.outbox(outbox.lag(tx), runners.duty(tx, DUTY), now=found.now)
        missing = missing_secrets(tx, sauron.job_environment.missing)
        told = serializers.alerts(incidents.open_incidents(tx), alerts.waiting(tx), alerts.last_error(tx))
    age = (found.now - found.last_tick).total_seconds() if found.last_tick else None
    return {
        "scheduler_running": found.scheduler_running,
        "workers_running": found.workers_alive,
        "jobs_count": found.jobs_count,
        "git_sync_status": status_report.git_sync(settings, found.state, found.revision)
        | {"install_log": install_log(settings, sauron.job_environment, found.state.active_sha)},
        "next_runs": upcoming,
        "queue": {**found.counts, "claiming": settings.queue_enabled},
        "last_tick": {
            "at": serializers.when(found.last_tick),
            "age_seconds": None if age is None else round(age, 1),
        },
        "rejected": [dict(one) for one in found.state.rejected],
        "outbox": None if settings.life_hub_url is None else copied,
        "alerts": told,
        "missing_secrets": missing,
        "runners": [serializers.runner(one) for one in found.runners],
        "version": __version__,
        "scheduler_name": settings.scheduler_name,
        "timestamp": iso(found.now),
        "api_open": is_open(settings),
        "warnings": warnings(is_open(settings), settings.warnings),
    }


def warnings(api_open: bool, settings_warnings: tuple[str, ...]) -> list[str]:
    """Say what an operator should know although it works."""
    unguarded = ["The API is open: anyone who reaches it may run and change jobs. Set SAURON_API_TOKENS."]
    return [*(unguarded if api_open else []), *settings_warnings]
