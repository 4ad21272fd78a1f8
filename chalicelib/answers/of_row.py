"""What a row of the ledger says of its occurrence, in a sentence: how it ran, or why it did not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from chalicelib.model.faults import DEFINITION_REJECTED
from chalicelib.model.runs import BAD, OCCURRENCES, UNFINISHED, Origin, Run, RunState
from chalicelib.text import counted

from .evidence import Evidence
from .waiting import IN_A_MOMENT, NOTHING_STARTS, Wait
from .wording import first_line, length, when

LATE_SECONDS = 60
_CATCHUP = re.compile(r"\(catchup=(\w+)\)")
_BY_STANDING = {"disabled": "disabled", "the job was removed": "removed", DEFINITION_REJECTED: "rejected"}
_WHAT_CATCHUP_DOES = {
    "none": "it runs no occurrence that was missed",
    "latest": "of missed occurrences it runs the newest, if that is within the catch-up window",
    "all": "it runs missed occurrences within the catch-up window, up to catchup_max of them",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer's name, why it is so, and what happens or is to be done next (None: see what comes next)."""

    answer: str
    cause: str
    step: str | None = None


def of_standing(run: Run) -> str | None:
    """Return the answer if what the job was kept an occurrence from running, or None."""
    said = (run.reason or "").partition(";")[0]
    return _BY_STANDING.get(said) if run.state in {RunState.SKIPPED, RunState.MISSED} else None


def explain(e: Evidence, run: Run, waiting: Wait | None) -> Explanation:
    """Return what became of the occurrence that a row stands for. `waiting` says what a due run waits for."""
    if run.state is RunState.RUNNING:
        return _running(e, run)
    if run.state is RunState.QUEUED:
        return _queued(e, run, waiting)
    if run.state is RunState.MISSED:
        return _missed(e, run)
    if run.state is RunState.SKIPPED:
        return _skipped(e, run)
    if not run.attempt:
        why = first_line(run.cancel_reason or run.error or "cancelled")
        return Explanation(
            "skipped", f"{_time(e, run)} did not run: its run {run.id} ended before it began ({why})"
        )
    return _ran(e, run)


def _time(e: Evidence, run: Run) -> str:
    return f"The occurrence of {when(run.scheduled_for, e.zone)}"


def _running(e: Evidence, run: Run) -> Explanation:
    begun = e.attempts[-1].started_at if e.attempts else run.started_at or run.due_at
    tries = f", attempt {run.attempt} of {run.max_attempts}" if run.attempt > 1 else ""
    done = "" if run.progress is None else f", {run.progress:.0%} done"
    ending = f"; it was told to stop ({first_line(run.cancel_reason)})" if run.cancel_reason else ""
    cause = (
        f"{_time(e, run)} is running as run {run.id} since {when(begun, e.zone)} "
        f"({length(e.now - begun)}{tries}{done}){ending}{_lateness(e, run)}"
    )
    return Explanation(
        "running", cause, f"`sauron logs -f {run.id}` follows it, `sauron cancel {run.id}` ends it"
    )


def _queued(e: Evidence, run: Run, waiting: Wait | None) -> Explanation:
    s = e.standing
    if run.attempt and (not s.enabled or s.rejected is not None):
        why = "removed" if s.removed else "rejected" if s.rejected is not None else "disabled"
        return Explanation(
            "queued",
            f"{_time(e, run)} is queued as run {run.id} after attempt {run.attempt} of {run.max_attempts} "
            f"failed ({first_line(run.error)}), but it is not tried again, because the job is {why}",
            "The run ends as failed when its next attempt is due",
        )
    if run.due_at > e.now:
        answer = "due" if run.fire_at and run.fire_at > e.now else "queued"
        at = f"{when(run.due_at, e.zone)}, in {length(run.due_at - e.now)}"
        if run.attempt:
            failed = f"attempt {run.attempt} of {run.max_attempts} failed ({first_line(run.error)})"
            return Explanation(
                "queued",
                f"{_time(e, run)} is queued as run {run.id}: {failed}, and the next attempt begins at {at}",
                f"It is tried again by itself; to give up: `sauron cancel {run.id}`",
            )
        jitter = " (jitter_minutes delays it)" if run.fire_at and run.due_at > run.fire_at else ""
        step = "" if e.queue_enabled else NOTHING_STARTS
        return Explanation(
            answer, f"{_time(e, run)} is queued as run {run.id} and starts at {at}{jitter}", step
        )
    wait = waiting or IN_A_MOMENT
    return Explanation(
        "queued",
        f"{_time(e, run)} is queued as run {run.id} and was due {length(e.now - run.due_at)} ago: "
        f"{wait.cause}",
        wait.step,
    )


def _ran(e: Evidence, run: Run) -> Explanation:
    begun = run.started_at or run.due_at
    took = f", took {length(run.finished_at - begun)}" if run.finished_at else ""
    tries = f" after {counted(run.attempt, 'attempt')}" if run.attempt > 1 else ""
    how = f"{run.state.replace('_', ' ')}{tries}"
    why = first_line(run.cancel_reason if run.state is RunState.CANCELLED else run.error)
    cause = (
        f"{_time(e, run)} ran as run {run.id}: {how}{f' ({why})' if why else ''}; it started at "
        f"{when(begun, e.zone)}{took}{_lateness(e, run)}"
    )
    if run.state in BAD:
        step = f"`sauron logs {run.id}` shows its output, `sauron retry {run.id}` runs it again"
        return Explanation("ran", cause, step)
    if run.state is RunState.DEGRADED:
        return Explanation("ran", cause, f"`sauron logs {run.id}` shows its output")
    return Explanation("ran", cause)


def _lateness(e: Evidence, run: Run) -> str:
    """Say how much later than due a run started, and why, if that is known."""
    if run.started_at is None:
        return ""
    expected = run.fire_at if run.origin is Origin.CATCHUP and run.fire_at else run.due_at
    first = e.attempts[0].started_at if e.attempts else run.started_at
    late = first - expected
    # The due time of a run that was tried again is that of its last attempt.
    if run.origin not in OCCURRENCES or late.total_seconds() <= LATE_SECONDS:
        return ""
    if run.origin is Origin.CATCHUP:
        why = f"Sauron was not running {_silence(e)}"
    elif e.other is not None:
        why = f"run {e.other.id} of this job was going on"
    else:
        return f", {length(late)} late"
    return f", {length(late)} late because {why}"


def _silence(e: Evidence) -> str:
    if e.silence is None:
        return "then"
    since, until = (when(one, e.zone) for one in e.silence)
    return f"from {since} to {until}"


def _missed(e: Evidence, run: Run) -> Explanation:
    if run.reason is None or "not running" not in run.reason:
        return Explanation(
            "missed", f"{_time(e, run)} was missed: {first_line(run.reason) or 'no reason is kept'}"
        )
    silence = _silence(e)
    if e.silence is None and run.created_at is not None:
        silence = f"until {when(run.finished_at or run.created_at, e.zone)}"
    many = f"; it is one of {run.gap_count} that were missed" if run.gap_count > 1 else ""
    policy = _CATCHUP.search(run.reason)
    rule = f", and catchup={policy[1]} means that {_WHAT_CATCHUP_DOES[policy[1]]}" if policy else ""
    instead = e.after_gap
    done = (
        f"The occurrence of {when(instead.fire_at, e.zone)} was run afterwards as run {instead.id}; "
        if instead and instead.fire_at and instead.origin is Origin.CATCHUP
        else ""
    )
    time = f"The occurrence of {when(e.at, e.zone)}"
    return Explanation(
        "missed",
        f"{time} was missed because Sauron was not running {silence}{rule}{many}",
        f"{done}{'to' if done else 'To'} run the job now: `sauron run {e.job.id}`",
    )


def _skipped(e: Evidence, run: Run) -> Explanation:
    reason = (run.reason or "").partition(";")[0]
    step = f"To run the job now: `sauron run {e.job.id}`"
    other = e.other
    if not reason.startswith("overlap") or other is None:
        return Explanation("skipped", f"{_time(e, run)} was skipped: {first_line(run.reason)}", step)
    if "replaced" in reason:
        cause = f"the newer run {other.id} took its place before it began (overlap=replace)"
        return Explanation("skipped", f"{_time(e, run)} was skipped: {cause}", step)
    end = (
        "is still not over"
        if other.state in UNFINISHED
        else f"was not over until {when(other.finished_at, e.zone)}"
        if other.finished_at
        else "was not over"
    )
    of = (
        f"the run of {when(other.fire_at, e.zone)}"
        if other.fire_at
        else f"asked for by {other.requested_by or 'hand'} at {when(other.created_at, e.zone)}"
    )
    return Explanation(
        "skipped",
        f"{_time(e, run)} was skipped because run {other.id} ({of}) {end} (overlap=skip)",
        step,
    )


def facts_of(run: Run, e: Evidence) -> list[tuple[datetime, str]]:
    """Return what is recorded of a run, each with its time."""
    found = [
        (run.created_at, f"run {run.id} was {'recorded' if run.finished_at == run.created_at else 'queued'}")
    ]
    if run.gap_from and run.fire_at:
        found += [(run.gap_from, "the first occurrence of the gap"), (run.fire_at, "its last occurrence")]
    elif run.fire_at:
        found.append((run.fire_at, f"occurrence of {e.job.id}"))
    if run.fire_at is not None and not run.attempt and run.due_at > run.fire_at:
        found.append((run.due_at, "due, with its jitter"))
    for attempt in e.attempts:
        found.append(
            (attempt.started_at, f"attempt {attempt.number} of {run.max_attempts} began on {attempt.runner}")
        )
        if attempt.finished_at:
            why = first_line(attempt.error)
            ended = f"attempt {attempt.number} ended: {attempt.outcome}{f' ({why})' if why else ''}"
            found.append((attempt.finished_at, ended))
    if run.state is RunState.QUEUED and run.attempt:
        found.append((run.due_at, f"attempt {run.attempt + 1} may begin"))
    if run.finished_at:
        why = f": {first_line(run.reason or run.cancel_reason)}" if run.reason or run.cancel_reason else ""
        found.append((run.finished_at, f"run {run.id} is {run.state}{why}"))
    return found
