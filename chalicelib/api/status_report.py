"""How Sauron is, measured: what `/health`, `/ready`, `/status` and the page's first sentence say.

Where the clock and the workers run in this process they are asked; elsewhere (the command line, Lambda) the
age of the last tick in the store decides. Nothing here depends on git, mail or Life Hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.alerting.checks import SAURON, Kind
from chalicelib.clock import iso
from chalicelib.model.jobs import Job
from chalicelib.model.liveness import is_ticking
from chalicelib.model.runs import BAD, UNFINISHED, Run
from chalicelib.settings import Settings
from chalicelib.store import bundle, history, incidents, registry
from chalicelib.store import runners as presence
from chalicelib.store.bundle import BundleState, Revision
from chalicelib.store.database import Tx
from chalicelib.store.runners import Runner
from chalicelib.wiring import Sauron
from sauron_jobs_loader.masking import public_address

SHOWN = 5  # names in a sentence
NEXT_RUNS = 100


@dataclass(frozen=True, slots=True)
class Condition:
    """What was found at one instant."""

    now: datetime
    scheduler_running: bool
    workers_alive: bool
    last_tick: datetime | None
    state: BundleState
    revision: Revision | None
    counts: Mapping[str, int]
    runners: Sequence[Runner]
    jobs_count: int
    troubles: Sequence[str]


def look(sauron: Sauron, tx: Tx) -> Condition:
    """Measure now."""
    now = sauron.clock.now()
    ticked = presence.duty(tx, presence.TICK)
    vitals = sauron.vitals
    fresh = is_ticking(ticked[0] if ticked else None, now)
    state = bundle.state(tx)
    runners = [runner for runner in presence.all_runners(tx) if not sauron.peers.gone(runner.name)]
    if sauron.store.sqlite and not runners:
        fresh = False  # whoever ticked last on this machine is gone
    return Condition(
        now=now,
        scheduler_running=vitals.clock_alive() if vitals else fresh,
        workers_alive=vitals.workers_alive() if vitals else True,
        last_tick=ticked[0] if ticked else None,
        state=state,
        revision=next(iter(bundle.find_revisions(tx, state.active_sha)), None) if state.active_sha else None,
        counts=history.counts(tx),
        runners=runners,
        jobs_count=registry.count(tx),
        troubles=[
            one.reason
            for one in incidents.open_incidents(tx, subjects=[SAURON])
            if one.kind in {Kind.OUTBOX, Kind.DISK}
        ],
    )


def stopped(sauron: Sauron) -> str | None:
    """Say what of this process has stopped, or None. Asks nothing but the threads themselves."""
    if sauron.vitals is None:
        return None
    if not sauron.vitals.clock_alive():
        return "The clock has stopped."
    return None if sauron.vitals.workers_alive() else "The workers have stopped."


def git_sync(settings: Settings, state: BundleState, revision: Revision | None) -> dict[str, Any]:
    """Write where the bundle stands. No credential is in it, whatever the address or an error holds."""
    url = settings.jobs_git_repo_url
    return {
        "current_sha": state.active_sha,
        "subject": revision.subject if revision else None,
        "author": revision.author if revision else None,
        "last_sync": None if state.last_sync is None else iso(state.last_sync),
        "last_error": masked(state.last_error, settings),
        "consecutive_failures": state.consecutive_failures,
        "repo_url": None if url is None else masked(public_address(url), settings),
        "branch": settings.jobs_git_branch,
        "local_path": str(settings.jobs_dir),
        "pinned_ref": state.pinned_ref,
    }


def next_runs(tx: Tx, *, now: datetime) -> list[dict[str, Any]]:
    """Write the next run of each of the jobs that fire first, soonest first."""
    fires = [
        (fire_at, job)
        for job in registry.firing_first(tx, most=NEXT_RUNS)
        for fire_at in job.next_fires(now=now, count=1)
    ]
    fires.sort(key=lambda pair: (pair[0], pair[1].id))
    return [{"job_id": job.id, "cron": job.spec.cron, "next_run_at": iso(fire_at)} for fire_at, job in fires]


def faults(
    found: Condition, jobs: Sequence[Job], last_runs: Mapping[Any, Run], settings: Settings
) -> list[str]:
    """Say in sentences what is not well, the gravest first."""
    said: list[str] = []
    if not found.scheduler_running:
        minutes = int((found.now - found.last_tick).total_seconds() // 60) if found.last_tick else None
        since = "it has never ticked" if minutes is None else f"the last tick was {minutes} minutes ago"
        said.append(f"The scheduler is not running: {since}.")
    if not found.workers_alive:
        said.append("The workers have stopped.")
    if not settings.queue_enabled:
        said.append("Runs are queued but not started: JOB_QUEUE_ENABLED is 0.")
    if found.state.last_error:
        times = found.state.consecutive_failures
        often = f" ({times} times in a row)" if times > 1 else ""
        said.append(f"The last sync failed{often}: {masked(found.state.last_error, settings)}")
    rejected = [str(one.get("job_id") or one.get("place")) for one in found.state.rejected]
    if rejected:
        said.append(
            f"{_count(len(rejected), 'job definition is', 'job definitions are')} rejected: {_names(rejected)}."
        )
    said += [f"{trouble.rstrip('.')}." for trouble in found.troubles]
    failing = [
        job.id
        for job in jobs
        if job.enabled and (last := last_runs.get(job.id)) is not None and _failing(last)
    ]
    if failing:
        said.append(f"{_count(len(failing), 'job is', 'jobs are')} failing: {_names(failing)}.")
    return said


def _failing(last: Run) -> bool:
    """Say whether a job's newest run failed, for good or so far: one that waits to be tried again has failed too."""
    return last.state in BAD or (last.state in UNFINISHED and last.error is not None)


def masked(text: str | None, settings: Settings) -> str | None:
    """Return a text, if there is one, with the values of secret settings blotted out."""
    return None if text is None else settings.masked(text)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
