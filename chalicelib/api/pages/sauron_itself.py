"""How Sauron itself is, part by part, in the words of the overview."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.api import vital_signs
from chalicelib.api.status_report import StatusReport
from chalicelib.store import alerts, outbox
from chalicelib.store.database import Tx
from chalicelib.text import ago, counted
from chalicelib.wiring import Sauron

GB, MB = 1e9, 1e6


@dataclass(frozen=True, slots=True)
class Part:
    """One part of Sauron itself: whether it is well, and what a person wants to know of it."""

    name: str
    well: bool
    said: str


def parts(sauron: Sauron, tx: Tx, report: StatusReport) -> list[Part]:
    """Return clock, workers, sync, store, alerts and Life Hub; what is not configured is left out."""
    signs = vital_signs.parts(sauron.vitals) if sauron.vitals else {}
    ticks = f"ticked {ago(report.last_tick, report.now)}" if report.last_tick else "has not ticked yet"
    works = f"{report.counts['running']} running, {report.counts['queued']} queued"
    clock = vital_signs.READY if report.scheduler_running else f"stopped; {ticks}"
    found = [
        _measured("Clock", signs.get("clock", clock), ticks),
        _measured("Workers", signs.get("workers", vital_signs.READY), works),
    ]
    if sauron.settings.jobs_git_repo_url:
        found.append(_sync(report))
    found.append(_measured("Store", signs.get("store", vital_signs.READY), _store(sauron)))
    waiting = alerts.waiting(tx)
    said = f"{counted(waiting, 'alert')} not sent yet" if waiting else "all sent"
    found.append(Part("Alerts", alerts.last_error(tx) is None, said))
    if sauron.settings.life_hub_url is not None:
        lag = outbox.lag(tx)
        since = f", the oldest {ago(lag.oldest_at, report.now)}" if lag.oldest_at else ""
        behind = f"{counted(lag.waiting, 'row')} not copied yet{since}"
        found.append(Part("Life Hub", not lag.waiting, behind if lag.waiting else "up to date"))
    return found


def _measured(name: str, sign: str, said: str) -> Part:
    return Part(name, sign == vital_signs.READY, said if sign == vital_signs.READY else sign)


def _sync(report: StatusReport) -> Part:
    state = report.state
    if state.last_error is not None:
        return Part("Sync", False, f"failed {counted(state.consecutive_failures, 'time')} in a row")
    synced = ago(state.last_sync, report.now) if state.last_sync else "not synced yet"
    return Part("Sync", state.last_sync is not None, synced)


def _store(sauron: Sauron) -> str:
    path = sauron.store.path
    if path is None:
        return "PostgreSQL answers"
    size = path.stat().st_size
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / MB:.1f} MB"
