"""What an act would do to a job and its runs, counted, in words for the page that asks about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from chalicelib.answers.consequences import followers
from chalicelib.model.jobs import Job
from chalicelib.model.runs import OCCURRENCES, Run, RunState
from chalicelib.store import history
from chalicelib.store.database import Tx
from chalicelib.text import about, counted, listed
from chalicelib.web.zoned import Sentence

from .act_page import Effect

WEEK = timedelta(days=7)
NAMED = 3  # occurrences that are named
MOST = 1000  # unfinished runs that are looked at
_STATES = [RunState.QUEUED, RunState.RUNNING]


def of_switching_off(tx: Tx, job: Job, until: datetime | None, *, now: datetime) -> list[Effect]:
    """Return what switching a job off until an instant (None: for good) would do."""
    found = [skipped(job, until, now)]
    waiting, running = unfinished(tx, job)
    asked_for = [run for run in waiting if run.origin not in OCCURRENCES and not run.attempt]
    tries = [run for run in waiting if run.attempt]
    if others := followers(tx, job.id):
        with_it = f"{listed(others, most=NAMED)} {'is' if len(others) == 1 else 'are'} skipped with it"
        found.append(Effect("skipped", with_it, f"what follows {job.id} runs only after it"))
    if until is not None:
        found.append(_comes_back(job, until))
    if running:
        goes = "goes on" if len(running) == 1 else "go on"
        found.append(Effect("running", f"{counted(len(running), 'run')} {goes}", "no run is stopped by this"))
    else:
        found.append(Effect("to-come", "Nothing runs now", "no run is stopped by this"))
    if asked_for:
        by_hand = f"{counted(len(asked_for), 'run')} by hand still waits its turn"
        found.append(Effect("queued", by_hand, "it starts all the same"))
    if tries:
        given_up = f"{counted(len(tries), 'run')} that is to be tried again is given up"
        found.append(Effect("failed", given_up, "it ends as failed"))
    return found


def skipped(job: Job, until: datetime | None, now: datetime) -> Effect:
    """Return which occurrences switching a job off until an instant (None: for good) would skip."""
    end = until or now + WEEK
    if not job.enabled:
        return Effect("off", "It is off already", "this replaces who switched it off, why and until when")
    if job.rejected is not None or end <= now:
        return Effect("skipped", "No occurrence is skipped by this")
    if not job.spec.cron:
        return Effect("skipped", "Every occurrence is skipped", f"it runs {job.spec.schedule_text}")
    count = job.spec.schedule.count_between(now, end)
    named = tuple(islice(job.spec.schedule.between(now, end), NAMED))
    more = f"{', '.join(['{}'] * len(named))}{' ...' if count > len(named) else ''}"
    if until is None:
        form = f"{count} in the next 7 days: {more}" if named else f"{count} in the next 7 days"
        return Effect("skipped", "Every occurrence is skipped", Sentence(form, named))
    said = f"{counted(count, 'occurrence')} {'is' if count == 1 else 'are'} skipped"
    reason = Sentence(f"{more}, with this reason", named) if named else "none falls into that time"
    return Effect("skipped", said, reason)


def _comes_back(job: Job, until: datetime) -> Effect:
    if not job.spec.enabled:
        return Effect("off", "It stays off after that", Sentence("from {} git says so", (until,)))
    if not job.spec.cron:
        return Effect("well", "Comes back by itself", Sentence("{}; {}", (until, job.spec.schedule_text)))
    first = job.spec.schedule.after(until)
    return Effect("well", "Comes back by itself", Sentence("{}; first run {}", (until, first)))


def of_switching_on(job: Job, until: datetime | None, *, now: datetime) -> list[Effect]:
    """Return what switching a job on until an instant (None: for good) would do."""
    if job.rejected is not None:
        return [Effect("rejected", "Nothing runs until its definition is mended", job.rejected)]
    first: str | Sentence = f"{job.spec.schedule_text}; none is made good"
    if job.spec.cron:
        first = Sentence("the first {}; none is made good", (job.spec.schedule.after(now),))
    found = [Effect("well", "Occurrences run again", first)]
    if until is not None:
        after = "on" if job.spec.enabled else "off"
        found.append(
            Effect("to-come", Sentence("From {} git decides again", (until,)), f"there it is {after}")
        )
    return found


def of_triggering(tx: Tx, job: Job) -> list[Effect]:
    """Return what a run by hand would do beside the runs that there are."""
    waiting, running = unfinished(tx, job)
    others = len(waiting) + len(running)
    found = [
        Effect(
            "queued",
            "A run is queued now",
            f"at most {job.spec.max_attempts} attempts, each of at "
            f"most {about(job.spec.timeout.total_seconds())}",
        )
    ]
    if others and job.spec.overlap in {"skip", "queue"}:
        found.append(Effect("running", f"It waits for {counted(others, 'run')}", "of this job"))
    elif running and job.spec.overlap == "replace":
        found.append(
            Effect("failed", f"It stops {counted(len(running), 'run')}", "the job's overlap is replace")
        )
    elif running:
        found.append(Effect("running", f"It starts beside {counted(len(running), 'run')}", "of this job"))
    found.append(Effect("to-come", "The schedule stays as it is", "no occurrence is moved or skipped by it"))
    return found


def of_cancelling(run: Run, job: Job | None, *, now: datetime) -> list[Effect]:
    """Return what cancelling a run would do."""
    if run.state == RunState.RUNNING:
        since = f"it has run for {about((now - (run.started_at or now)).total_seconds())}"
        found = [Effect("failed", "Its processes are stopped", f"{since}; what it did so far stays done")]
    else:
        found = [Effect("cancelled", "It is not started", "")]
    found.append(Effect("cancelled", "It is not tried again", "the run ends as cancelled"))
    coming = job.next_fires(now=now, count=1) if job else []
    if coming:
        found.append(
            Effect("to-come", "The job stays on", Sentence("its next occurrence is {}", (coming[0],)))
        )
    return found


def unfinished(tx: Tx, job: Job) -> tuple[Sequence[Run], Sequence[Run]]:
    """Return a job's runs that wait, without occurrences to come, and those in progress."""
    runs = history.runs(tx, job_id=job.id, states=_STATES, limit=MOST)
    waiting = [one for one in runs if one.state == RunState.QUEUED]
    return (
        [one for one in waiting if one.origin not in OCCURRENCES or one.attempt],
        [one for one in runs if one.state == RunState.RUNNING],
    )
