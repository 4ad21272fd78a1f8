"""/health, /ready and /status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import __version__, logs
from chalicelib.bundle.install_log import install_log
from chalicelib.clock import iso
from chalicelib.lifehub.publisher import DUTY
from chalicelib.model.pools import unequal
from chalicelib.operations.missing_secrets import missing_secrets
from chalicelib.store import alerts, duties, outbox, refusals
from chalicelib.store.queue import pools
from chalicelib.text import counted
from chalicelib.wiring import PROCESS

from . import serializers, status_report, vital_signs
from .auth import is_open
from .routing import as_json, current_request, get, known_damage

blueprint = Blueprint(__name__)


@get(blueprint, "/health", returns="Health", also={503: "Health"}, damaged_too=True)
def health() -> Response:
    """Return 200 while this process works, 503 when its clock or workers stopped or its store is damaged.

    A store that is away is no reason to restart Sauron, so only /ready tells it. A process without a clock
    or workers of its own is healthy when it responds.
    """
    sauron = PROCESS.built
    fault = status_report.stopped_part(sauron) if sauron else None
    now = sauron.clock.now() if sauron else datetime.now(UTC)
    body: dict[str, Any] = {"status": "healthy", "version": __version__, "timestamp": iso(now)}
    if fault is None:
        return as_json(body)
    return as_json(body | {"status": "unhealthy", "detail": fault}, 503)


@get(blueprint, "/ready", returns="Ready", also={503: "Ready"}, damaged_too=True)
def readiness() -> Response:
    """Return part by part whether runs can be taken on. The bundle never decides: git may be down."""
    sauron = current_request().sauron
    unread: str | None = None
    try:
        with sauron.store.read() as tx:
            report = status_report.measure(sauron, tx)
    except refusals.ERRORS as error:
        unread = f"cannot be read: {sauron.settings.masked(logs.reason(error))}"
    if damage := known_damage():
        unread = str(damage)
    if unread is not None:
        unknown = f"unknown, because the store {'is damaged' if damage else 'cannot be read'}"
        return as_json(
            {"ready": False, "parts": {"store": unread, "clock": unknown, "workers": unknown}}, 503
        )
    parts = (
        vital_signs.parts(sauron.vitals)
        if sauron.vitals
        else {
            "store": "ready",
            "clock": "ready" if report.scheduler_running else "no tick yet, or none for three minutes",
            "workers": "ready",
        }
    )
    if any(runner.name == sauron.name and runner.draining for runner in report.runners):
        parts["workers"] = "draining: no run is started here until this runner is resumed"
    ready = all(line == "ready" for line in parts.values())
    if report.state.active_sha:
        parts["bundle"] = f"revision {report.state.active_sha[:12]}, {counted(report.jobs_count, 'job')}"
    elif sauron.settings.jobs_git_repo_url:
        parts["bundle"] = "not synced yet"
    else:
        parts["bundle"] = "none configured (JOBS_GIT_REPO_URL)"
    return as_json({"ready": ready, "parts": parts}, 200 if ready else 503)


@get(blueprint, "/status", returns="Status")
def status() -> dict[str, Any]:
    """Return what an operator wants to know first."""
    sauron = current_request().sauron
    settings = sauron.settings
    with sauron.store.read() as tx:
        report = status_report.measure(sauron, tx)
        upcoming = status_report.next_runs(tx, now=report.now)
        copied = serializers.outbox(outbox.lag(tx), duties.duty(tx, DUTY), now=report.now)
        missing = missing_secrets(tx, sauron.job_environment.missing)
        sizes = pools.stored_sizes(tx)
        alerted = serializers.alerts(report.incidents, alerts.waiting(tx), alerts.last_error(tx))
    age = (report.now - report.last_tick).total_seconds() if report.last_tick else None
    return {
        "scheduler_running": report.scheduler_running,
        "workers_running": report.workers_alive,
        "jobs_count": report.jobs_count,
        "git_sync_status": status_report.git_sync(settings, report.state, report.revision)
        | {"install_log": install_log(settings, sauron.job_environment, report.state.active_sha)},
        "next_runs": upcoming,
        "queue": {**report.counts, "claiming": settings.queue_enabled},
        "last_tick": {
            "at": serializers.when(report.last_tick),
            "age_seconds": None if age is None else round(age, 1),
        },
        "last_worked": vital_signs.as_json(sauron.vitals),
        "degraded": vital_signs.degraded(sauron.vitals),
        "paused": report.pause and serializers.pause(report.pause),
        "rejected": [dict(one) for one in report.state.rejected],
        "remarks": [dict(one) for one in report.state.remarks],
        "outbox": None if settings.life_hub_url is None else copied,
        "alerts": alerted,
        "missing_secrets": missing,
        "runners": [
            serializers.runner(one, running=report.running.get(one.name, 0)) for one in report.runners
        ],
        "limits": "watch",
        "version": __version__,
        "scheduler_name": settings.scheduler_name,
        "timestamp": iso(report.now),
        "api_open": is_open(settings),
        "warnings": [
            *warnings(is_open(settings), settings.warnings),
            *(unequal(settings.pools, sizes) if sauron.vitals else ()),
        ],
    }


def warnings(api_open: bool, settings_warnings: tuple[str, ...]) -> list[str]:
    """Return what an operator should change although Sauron works."""
    open_api = ["The API is open: everyone who can reach it may run and change jobs. Set SAURON_API_TOKENS."]
    return [*(open_api if api_open else []), *settings_warnings]
