"""How Sauron itself is, part by part, in the words of the overview."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.api import vital_signs
from chalicelib.api.status_report import StatusReport
from chalicelib.model.jobs import BACKUP_JOB
from chalicelib.store import alerts, outbox, run_totals
from chalicelib.store.database import Tx
from chalicelib.text import about, counted
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
    works = f"{_busy(sauron, report)}, {report.counts['queued']} queued"
    found = [
        _clock(report, signs.get("clock", vital_signs.READY)),
        _measured("Workers", signs.get("workers", vital_signs.READY), works),
    ]
    if sauron.settings.jobs_git_repo_url:
        found.append(_sync(report))
    found.append(_measured("Store", signs.get("store", vital_signs.READY), _store(sauron, tx, report.now)))
    found.append(Part("Alerts", alerts.last_error(tx) is None, _alerts(tx, report.now)))
    if sauron.settings.life_hub_url is not None:
        lag = outbox.lag(tx)
        behind = f"{counted(lag.waiting, 'row')} {'waits' if lag.waiting == 1 else 'wait'}"
        if lag.oldest_at:
            behind += f", {about((report.now - lag.oldest_at).total_seconds())}"
        found.append(Part("Life Hub", not lag.waiting, behind if lag.waiting else "up to date"))
    return found


def last_tick(report: StatusReport) -> str | Sentence:
    """Say when the clock ticked last."""
    if report.last_tick is None:
        return "has not ticked yet"
    return Sentence("ticked {}", (report.last_tick,), report.now)


def last_worked(sauron: Sauron, now: datetime) -> Sentence | None:
    """Say when tick, claim and write last worked; None without threads."""
    if sauron.vitals is None:
        return None
    ages = {name: sign.age_seconds for name, sign in sauron.vitals.signs().items()}
    words = [f"last {name} {{}}" for name in ages]
    at = ("not yet" if age is None else now - timedelta(seconds=age) for age in ages.values())
    return Sentence(", ".join(words), tuple(at), now)


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


def _busy(sauron: Sauron, report: StatusReport) -> str:
    """Say how many workers are busy, of how many; without a runner, how many runs there are."""
    running = report.counts["running"]
    places = sauron.settings.workers * sum(not one.draining for one in report.runners)
    return f"{running} of {places} busy" if places and running <= places else f"{running} running"


def _alerts(tx: Tx, now: datetime) -> str | Sentence:
    waiting, last = alerts.waiting(tx), alerts.last_sent(tx)
    if waiting:
        return f"{counted(waiting, 'alert')} not sent yet"
    return Sentence("all sent, last {}", (last,), now) if last else "all sent"


def _store(sauron: Sauron, tx: Tx, now: datetime) -> str | Sentence:
    """Say how large the store is, and when Sauron last copied it."""
    path = sauron.store.path
    if path is None:
        return "PostgreSQL answers"
    size = path.stat().st_size
    said = f"{size / GB:.1f} GB" if size >= GB else f"{size / MB:.1f} MB"
    copied = run_totals.last_good(tx, [BACKUP_JOB]).get(BACKUP_JOB)
    return Sentence("{}, copied {}", (said, copied), now) if copied else said
