"""Why a job ran, did not run, or will or will not run, at one instant: an answer, a sentence and its facts.

What a row of the ledger says comes first: it is what happened. Without a row the cause is what the job was at
that instant (removed, rejected, off), and then its schedule. The future is asked in the same way, of what is
in force now and of what an override will change at its end.

`decide` is pure; `chalicelib.answers.evidence` reads what it goes by.
"""

from __future__ import annotations

from chalicelib.cron.describe import describe
from chalicelib.errors import ScheduleError
from chalicelib.model.liveness import is_ticking
from chalicelib.model.occurrences import account
from chalicelib.model.runs import OCCURRENCES, Run, RunState
from chalicelib.store.queue.pauses import PAUSED
from chalicelib.store.standings import Standing

from . import clock_changes, of_row
from .evidence import Evidence
from .of_row import Explanation
from .spans import following, previous
from .waiting import NOTHING_STARTS, Wait
from .wording import first_line, length, when

_REJECTED_STEP = "Mend the definition in the bundle and push; the next sync brings it"


def decide(e: Evidence, *, waiting: Wait | None = None) -> Explanation:
    """Return the answer about the instant of the evidence; `waiting` says what a due run waits for."""
    row = e.row
    if paused := _by_pause(e, row):
        return paused
    if row is not None and (row.gap_from is None or is_time(e)):
        by_standing = of_row.of_standing(row)
        doomed = row.state is RunState.QUEUED and not row.attempt and row.origin in OCCURRENCES
        if by_standing is None and doomed and not (e.standing.enabled and e.standing.rejected is None):
            by_standing = _of(e.standing)
        return _by_standing(e, by_standing) if by_standing else of_row.explain(e, row, waiting)
    return _by_what_it_was(e) or _by_schedule(e)


def _by_pause(e: Evidence, row: Run | None) -> Explanation | None:
    """Return the answer if a pause of everything keeps, or kept, the occurrence from starting."""
    if e.pause is None:
        return None
    if row is not None and row.gap_from is None:
        skipped = row.state is RunState.SKIPPED and (row.reason or "").partition(";")[0] == PAUSED
        if not skipped and row.state is not RunState.QUEUED:
            return None
    elif not (e.at >= e.now and e.standing.enabled and is_time(e)):
        return None
    over = row is not None and row.state is RunState.SKIPPED
    who = f" by {e.pause.by}" if e.pause.by else ""
    why = f" ({first_line(e.pause.reason)})" if e.pause.reason else ""
    end = f", until {when(e.pause.until, e.zone)}" if e.pause.until else ""
    waits = row is not None and not row.occurrence
    what = "was skipped" if over else "waits" if waits else "is skipped"
    subject = f"Run {row.id}" if row is not None and waits else f"The occurrence of {when(e.at, e.zone)}"
    verb = "was" if over else "is"
    since = when(e.pause.since, e.zone)
    cause = f"{subject} {what}, because everything {verb} paused{who}{why} since {since}{end}"
    step = f"`sauron run {e.job.id} --force` runs it all the same; `sauron unpause` ends the pause"
    return Explanation("paused", cause, None if over else step)


def _by_what_it_was(e: Evidence) -> Explanation | None:
    """Return the answer if the job was gone, unknown, refused or off, whatever its schedule."""
    if e.standing.removed:
        return _by_standing(e, "removed")
    if e.at <= e.known_since and e.at < e.now:
        return _unknown_yet(e)
    if e.standing.rejected is not None:
        return _by_standing(e, "rejected")
    known_by_standing = e.at >= e.now or not e.job.spec.cron
    is_off = not e.standing.enabled if known_by_standing else e.span is None
    return _by_standing(e, "disabled") if is_off else None


def _by_schedule(e: Evidence) -> Explanation:
    """Return the answer for a job that was on, and has no row there."""
    if not is_time(e):
        return _not_due(e)
    if e.at > e.now:
        return _to_come(e)
    if e.at <= e.ledger_from:
        return _unknown_yet(e)
    if e.at > e.job.cursor or not is_ticking(e.last_tick, e.now):
        return _overdue(e)
    return Explanation(
        "missed",
        f"The occurrence of {when(e.at, e.zone)} has no run, skip or miss in the ledger",
        f"`sauron audit` lists every such hole of {e.job.id}",
    )


def is_time(e: Evidence) -> bool:
    """Say whether the schedule that was in force then fires at the instant."""
    span = e.span
    return span is not None and span.schedule.matches(e.at)


def _of(standing: Standing) -> str:
    return "removed" if standing.removed else "rejected" if standing.rejected is not None else "disabled"


def _by_standing(e: Evidence, answer: str) -> Explanation:
    """Return why nothing ran at that instant: the job was gone, its definition refused, or it was off."""
    s, job = e.standing, e.job
    is_past = e.at < e.now
    since = f" since {when(s.since, e.zone)}" if s.since else ""
    commit = _commit(e, s.revision)
    if answer == "removed":
        since = f" at {when(s.since, e.zone)}" if s.since else ""
        by = f": {commit} no longer has it" if commit else ""
        step = f"Its runs are kept: `sauron runs --job {job.id}`; to have it back, define it again and sync"
        return Explanation("removed", f"Job {job.id} was removed from the bundle{since}{by}", step)
    if answer == "rejected":
        why = first_line(s.rejected or job.rejected or (e.row.error if e.row else None))
        by = f" in {commit}" if commit else ""
        verb = "was" if is_past and job.rejected is None else "is"
        cause = f"The definition of job {job.id} {verb} rejected{by}{since}{f': {why}' if why else ''}"
        return Explanation("rejected", cause, _REJECTED_STEP if job.rejected else None)
    off = f"Job {job.id} is off"
    if e.decided_at != e.now:
        off = (
            f"Job {job.id} {'was' if e.decided_at < e.now else 'will be'} off at {when(e.decided_at, e.zone)}"
        )
    if s.overridden:
        who, until = s.who or "an operator", f" until {when(s.until, e.zone)}" if s.until else ""
        why = f" ({first_line(s.reason)})" if s.reason else ""
        cause = f"{off}: {who} disabled it{why}{since}{until}"
        return Explanation("disabled", cause, None if s.until else _how_to_enable(e))
    override = job.override
    if override and override.enabled and override.until and override.until < e.at:
        who, end = override.by or "an operator", when(override.until, e.zone)
        cause = f"{off}: {who} enabled it only until {end}, and then git (enabled=False) decides again"
        return Explanation("disabled", cause, _how_to_enable(e))
    known = s.since is not None or not is_past or not job.spec.enabled
    by = (
        f"git has enabled=False{since}{f' ({commit})' if commit else ''}"
        if known
        else "by whom is not recorded"
    )
    return Explanation("disabled", f"{off}: {by}", _how_to_enable(e))


def _how_to_enable(e: Evidence) -> str | None:
    off = not e.job.enabled and e.job.removed_at is None
    return f"To switch it on: `sauron enable {e.job.id}`" if off else None


def _commit(e: Evidence, sha: str | None) -> str | None:
    """Name a revision as people know it: its id, subject and author."""
    if sha is None:
        return None
    known = e.revisions.get(sha)
    said = ", ".join(
        part
        for part in (
            f'"{first_line(known.subject)}"' if known and known.subject else "",
            f"by {known.author}" if known and known.author else "",
        )
        if part
    )
    return f"revision {sha[:12]}{f' ({said})' if said else ''}"


def _unknown_yet(e: Evidence) -> Explanation:
    begin = max(e.known_since, e.ledger_from) if e.pruned else e.known_since
    if e.pruned:
        cause = (
            f"What happened at {when(e.at, e.zone)} is not kept: older runs of {e.job.id} were deleted, and "
            f"its records begin at {when(begin, e.zone)}"
        )
        return Explanation("not_yet_defined", cause, "SAURON_KEEP_RUNS_DAYS says how long runs are kept")
    first = e.spans[0].revision if e.spans else e.standings[0].revision if e.standings else e.job.revision
    commit = _commit(e, first)
    brought = f"{commit} brought it" if commit else "it came"
    return Explanation(
        "not_yet_defined",
        f"Job {e.job.id} was not defined yet at {when(e.at, e.zone)}: {brought} at {when(begin, e.zone)}",
    )


def _not_due(e: Evidence) -> Explanation:
    span = e.span
    if span is None and e.job.spec.after:
        first = e.job.spec.after[0]
        cause = f"Job {e.job.id} has no schedule of its own then: it runs {e.job.spec.schedule_text}"
        return Explanation("not_due", cause, f"`sauron why {first}` tells of {first}")
    if span is None:  # it was defined, or switched on, at that very instant
        cause = f"The schedule of job {e.job.id} was in force only after {when(e.at, e.zone)}"
        return Explanation("not_due", cause, _around(e))
    schedule, job = span.schedule, e.job
    verb = "is" if e.at > e.now else "was"
    cause = f"Job {job.id} {verb} not due at {when(e.at, e.zone)}"
    if because := clock_changes.at_no_occurrence(schedule, e.at):
        return Explanation("not_due", f"{cause}, because {because}", _around(e))
    today = (job.spec.cron, job.spec.timezone)
    cause += f": its schedule{' then' if (schedule.expression, schedule.zone) != today else ''} "
    cause += f"{verb} {_words(schedule.expression, schedule.zone)}"
    if (schedule.expression, schedule.zone) != today and e.at <= e.now:
        cause += f" (today it is {_words(*today)})"
    if e.other is not None and e.at <= e.now:
        cause += f"; run {e.other.id} was going on then"
    return Explanation("not_due", cause, _around(e))


def _words(cron: str, zone: str) -> str:
    if not cron:
        return "that of the jobs which it follows"
    try:
        return f"{cron!r}, {describe(cron, zone)}"
    except ScheduleError:
        return repr(cron)


def _around(e: Evidence) -> str:
    """Name the occurrences before and after an instant."""
    before, after = previous(e.spans, e.at), following(e.spans, e.at)
    parts = [
        f"the one before is {when(before, e.zone)}" if before else "there is none before it",
        f"the next is {when(after, e.zone)}" if after else "there is none after it",
    ]
    return f"Of its occurrences, {' and '.join(parts)}"


def _to_come(e: Evidence) -> Explanation:
    job = e.job
    starts = job.spec.due_at(e.at)
    cause = f"Job {job.id} is due at {when(e.at, e.zone)}, in {length(e.at - e.now)}"
    if starts > e.at:
        cause += f"; its jitter lets it start at {when(starts, e.zone)}"
    override = job.override
    if override and override.until and override.until < e.at and not override.enabled:
        who = override.by or "an operator"
        cause += f"; before that it is off until {when(override.until, e.zone)}, by {who}"
    if not is_ticking(e.last_tick, e.now):
        return Explanation("due", cause, _not_running(e))
    if not e.queue_enabled:
        return Explanation("due", cause, NOTHING_STARTS)
    going = next((run for run in e.unfinished if run.state is RunState.RUNNING), None)
    if going is not None and job.spec.overlap != "allow" and e.at == following(e.spans, e.now):
        then = {"skip": "this one is skipped", "queue": "this one waits", "replace": "that one is ended"}
        return Explanation(
            "due",
            cause,
            f"If run {going.id} is not over then, {then[job.spec.overlap]} (overlap={job.spec.overlap})",
        )
    return Explanation("due", cause, "It starts by itself")


def _not_running(e: Evidence) -> str:
    last = f"its last tick was at {when(e.last_tick, e.zone)}" if e.last_tick else "it has never ticked"
    return f"Sauron is not running ({last}): start it with `sauron serve`"


def _overdue(e: Evidence) -> Explanation:
    """Return what the next tick will make of an occurrence that no tick has accounted for."""
    rows = account(e.job, now=e.now, until=e.now).rows
    runs = any(row["fire_at"] == e.at and row["state"] is RunState.QUEUED for row in rows)
    time = f"The occurrence of {when(e.at, e.zone)}"
    if is_ticking(e.last_tick, e.now):
        return Explanation(
            "due", f"{time} has just fired and is not queued yet", "The next tick, within a minute, does it"
        )
    policy = f"catchup={e.job.spec.catchup}"
    if runs:
        return Explanation(
            "due", f"{time} has not run yet and will when Sauron is back ({policy})", _not_running(e)
        )
    return Explanation(
        "missed", f"{time} is missed, and will not be run when Sauron is back ({policy})", _not_running(e)
    )


def what_comes_next(e: Evidence) -> str | None:
    """Return when the job runs next after now, or why it does not."""
    job = e.job
    if job.removed_at is not None or job.rejected is not None:
        return None
    if job.enabled and not job.spec.cron:
        return f"next: when a run of {' and of '.join(job.spec.after)} has ended well"
    if (after := following(e.spans, e.now)) is None:
        return f"nothing comes next, because {job.id} is disabled; to switch it on: `sauron enable {job.id}`"
    return f"next: {when(after, e.zone)}, in {length(after - e.now)}"
