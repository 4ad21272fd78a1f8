"""Liveness and status facts behind `/health`, `/ready`, `/status` and the page.

Where the clock and the workers run in this process, what they measure of themselves decides; elsewhere (the
command line, Lambda) the age of the last tick in the store. Nothing here depends on git, mail or Life Hub.

What is wrong is decided in one place, `alerting.checks`: the page lists the open incidents, as `/status` and
`/alerts` do. It adds liveness, because a scheduler that has stopped reviews no incidents.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.alerting.check_result import SAURON
from chalicelib.alerting.messages import title
from chalicelib.clock import iso
from chalicelib.model.liveness import is_ticking
from chalicelib.settings import Settings
from chalicelib.store import bundle, duties, history, incidents, registry, runners
from chalicelib.store.bundle import BundleState, Revision
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident
from chalicelib.store.queue import leases, pauses
from chalicelib.store.queue.pauses import Pause
from chalicelib.store.runners import Runner
from chalicelib.text import counted, safe
from chalicelib.wiring import Sauron
from sauron_jobs_loader.masking import shown_address

INCIDENTS_SHOWN = 10  # sentences on the page; /alerts lists all
REASON_CHARS = 300
NEXT_RUNS = 100


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The facts at one instant."""

    now: datetime
    scheduler_running: bool
    workers_alive: bool
    last_tick: datetime | None
    state: BundleState
    revision: Revision | None
    counts: Mapping[str, int]
    runners: Sequence[Runner]
    running: Mapping[str, int]  # runs that a runner executes, by its name
    jobs_count: int
    incidents: Sequence[Incident]
    pause: Pause | None = None


def measure(sauron: Sauron, tx: Tx) -> StatusReport:
    """Return the facts as they are now."""
    now = sauron.clock.now()
    tick = duties.duty(tx, duties.TICK)
    last_tick = tick[0] if tick else None
    alive = [runner for runner in runners.all_runners(tx) if not sauron.peers.gone(runner.name)]
    # SQLite serves one machine: without a live runner the process of the last tick has ended.
    ticking = is_ticking(last_tick, now) and (bool(alive) or not sauron.store.sqlite)
    vitals = sauron.vitals
    state = bundle.state(tx)
    return StatusReport(
        now=now,
        scheduler_running=vitals.clock_alive() if vitals else ticking,
        workers_alive=vitals.workers_alive() if vitals else True,
        last_tick=last_tick,
        state=state,
        revision=next(iter(bundle.find_revisions(tx, state.active_sha)), None) if state.active_sha else None,
        counts=history.counts(tx),
        runners=alive,
        running=leases.count_by_owner(tx),
        jobs_count=registry.count(tx),
        incidents=incidents.open_incidents(tx),
        pause=pauses.in_force(tx, now),
    )


def stopped_part(sauron: Sauron) -> str | None:
    """Return a sentence about the part of this process that does not work, or None. Reads no store.

    Everyone may ask for it, so it names no folder.
    """
    if damage := sauron.store.damage:
        copy = damage.newest_copy
        return (
            f"The store is damaged. {f'Its newest good copy is {copy.name}.' if copy else 'It has no copy.'}"
        )
    return sauron.vitals.stopped_part() if sauron.vitals else None


def git_sync(settings: Settings, state: BundleState, revision: Revision | None) -> dict[str, Any]:
    """Return the status of the bundle as JSON. Credentials in the address or the error are masked."""
    url, error = settings.jobs_git_repo_url, state.last_error
    return {
        "current_sha": state.active_sha,
        "subject": revision.subject if revision else None,
        "author": revision.author if revision else None,
        "last_sync": None if state.last_sync is None else iso(state.last_sync),
        "last_error": None if error is None else settings.masked(error),
        "consecutive_failures": state.consecutive_failures,
        "repo_url": None if url is None else settings.masked(shown_address(url)),
        "branch": followed_branch(settings, state),
        "local_path": str(settings.jobs_dir),
        "pinned_ref": state.pinned_ref,
    }


def followed_branch(settings: Settings, state: BundleState) -> str:
    """Return the branch that syncs follow: the configured one, or the one found in the repository."""
    return settings.jobs_git_branch or state.branch or "main"


def next_runs(tx: Tx, *, now: datetime) -> list[dict[str, Any]]:
    """Return the next run of each of the jobs that fire first, soonest first, as JSON."""
    fires = [
        (fire_at, job)
        for job in registry.firing_first(tx, most=NEXT_RUNS)
        for fire_at in job.next_fires(now=now, count=1)
    ]
    fires.sort(key=lambda pair: (pair[0], pair[1].id))
    return [{"job_id": job.id, "cron": job.spec.cron, "next_run_at": iso(fire_at)} for fire_at, job in fires]


def problems(report: StatusReport, settings: Settings, degraded: Sequence[str]) -> list[str]:
    """Return what is wrong in sentences: what does not work, Sauron's own incidents, those of jobs."""
    sentences = list(degraded)
    if not report.scheduler_running and not any(" tick " in sentence for sentence in degraded):
        minutes = int((report.now - report.last_tick).total_seconds() // 60) if report.last_tick else None
        since = (
            "it has never ticked"
            if minutes is None
            else f"the last tick was {counted(minutes, 'minute')} ago"
        )
        sentences.append(f"The scheduler is not running: {since}.")
    if not report.workers_alive:
        sentences.append("The workers have stopped.")
    if not settings.queue_enabled:
        sentences.append("Runs are queued but not started: JOB_QUEUE_ENABLED is 0.")
    found = sorted(report.incidents, key=lambda incident: incident.subject != SAURON)
    sentences += [_sentence(incident, settings) for incident in found[:INCIDENTS_SHOWN]]
    if len(found) > INCIDENTS_SHOWN:
        sentences.append(f"{len(found) - INCIDENTS_SHOWN} more: `sauron alerts` lists all.")
    return sentences


def _sentence(incident: Incident, settings: Settings) -> str:
    reason = textwrap.shorten(settings.masked(safe(incident.reason)), REASON_CHARS, placeholder=" ...")
    said = f"{title(incident, {}, over=False, reminder=False)}: {reason}"
    return said if said.endswith((".", "!", "?")) else f"{said}."
