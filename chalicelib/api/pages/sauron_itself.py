"""How Sauron itself is, part by part, in the words of the overview."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.api import vital_signs
from chalicelib.api.status_report import StatusReport
from chalicelib.store import alerts, outbox
from chalicelib.store.database import Tx
from chalicelib.text import counted
from chalicelib.web.zoned import Sentence
from chalicelib.wiring import Sauron

GB, MB = 1e9, 1e6


@dataclass(frozen=True, slots=True)
class Part:
    """One part of Sauron itself: whether it is well, and what a person wants to know of it."""

    name: str
    well: bool
    said: str | Sentence


def parts(sauron: Sauron, tx: Tx, report: StatusReport) -> list[Part]:
    """Return clock, workers, sync, store, alerts and Life Hub; what is not configured is left out."""
    signs = vital_signs.parts(sauron.vitals) if sauron.vitals else {}
    works = f"{report.counts['running']} running, {report.counts['queued']} queued"
    found = [
        _clock(report, signs.get("clock", vital_signs.READY)),
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
        behind: str | Sentence = f"{counted(lag.waiting, 'row')} not copied yet"
        if lag.oldest_at:
            behind = Sentence("{}, the oldest {}", (str(behind), lag.oldest_at), report.now)
        found.append(Part("Life Hub", not lag.waiting, behind if lag.waiting else "up to date"))
    return found


def last_tick(report: StatusReport) -> str | Sentence:
    """Say when the clock ticked last."""
    if report.last_tick is None:
        return "has not ticked yet"
    return Sentence("ticked {}", (report.last_tick,), report.now)


def _clock(report: StatusReport, sign: str) -> Part:
    if sign != vital_signs.READY or report.scheduler_running:
        return _measured("Clock", sign, last_tick(report))
    if report.last_tick is None:
        return Part("Clock", False, "stopped; has not ticked yet")
    return Part("Clock", False, Sentence("stopped; ticked {}", (report.last_tick,), report.now))


def _measured(name: str, sign: str, said: str | Sentence) -> Part:
    return Part(name, sign == vital_signs.READY, said if sign == vital_signs.READY else sign)


def _sync(report: StatusReport) -> Part:
    state = report.state
    if state.last_error is not None:
        return Part("Sync", False, f"failed {counted(state.consecutive_failures, 'time')} in a row")
    if state.last_sync is None:
        return Part("Sync", False, "not synced yet")
    return Part("Sync", True, Sentence("{}", (state.last_sync,), report.now))


def _store(sauron: Sauron) -> str:
    path = sauron.store.path
    if path is None:
        return "PostgreSQL answers"
    size = path.stat().st_size
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / MB:.1f} MB"
