"""The answer of `why` as JSON: the sentence, the facts in the order of time, and what was in force."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.cron.describe import describe
from chalicelib.errors import ScheduleError
from chalicelib.model.faults import HELD
from chalicelib.model.runs import Run
from chalicelib.store.standings import Standing

from . import clock_changes, of_row
from .evidence import Evidence
from .of_row import Explanation
from .spans import following, previous
from .why import is_time, what_comes_next
from .wording import first_line, sentence, when

_NO_OCCURRENCE = {"removed", "not_yet_defined", "not_due"}
_NEAR_CHANGE = timedelta(hours=3)
MOST_FACTS = 20  # of what was in force: a job that is switched every day has many


def as_json(
    e: Evidence, found: Explanation, *, remark: str | None, asked: bool, last: Run | None = None
) -> dict[str, Any]:
    """Return the answer as every door gives it.

    `remark` says how a time was read. Without a time (`asked`), `last` is the newest occurrence of a job that
    is off, and what comes next is said.
    """
    span, row = e.span, e.row
    fires = found.answer not in _NO_OCCURRENCE and (is_time(e) or (row is not None and row.gap_from is None))
    at, run = (last.fire_at, last) if last else (e.at, row) if fires else (None, None)
    schedule = span.schedule if span else None
    cron, zone = (schedule.expression, schedule.zone) if schedule else (e.job.spec.cron, e.job.spec.timezone)
    before, after = previous(e.spans, e.at), following(e.spans, e.at)
    notes = (
        _clocks(e, found) or remark,
        _held(e),
        _earlier_name(e),
        _last(e, last),
        _asked_by_hand(e, found, asked=asked),
    )
    note = "; ".join(part for part in notes if part)
    revisions = (row and row.revision, span and span.revision, e.standing.revision, e.job.revision)
    return {
        "job_id": e.job.id,
        "at": iso(e.at if asked else e.now),
        "answer": found.answer,
        "sentence": sentence(found.cause, note, _step(e, found, asked=asked)),
        "occurrence": iso(at) if at else None,
        "run": run.id if run else None,
        "schedule": {"cron": cron, "timezone": zone, "text": _text(e, cron, zone)},
        "revision": next((sha for sha in revisions if sha), None),
        "enabled": _enabled(e.standing),
        "previous": iso(before) if before else None,
        "next": iso(after) if after else None,
        "facts": _facts(e),
    }


def _step(e: Evidence, found: Explanation, *, asked: bool) -> str | None:
    says_it = found.answer in {"due", "not_due", "disabled"}
    if found.step is not None and (asked or says_it):
        return found.step
    return "; ".join(part for part in (found.step, what_comes_next(e)) if part) or None


def _clocks(e: Evidence, found: Explanation) -> str | None:
    """Say what a change of the clocks did to the occurrence, or to its neighbour where there is none."""
    if e.span is None or found.answer in {"removed", "not_yet_defined"}:
        return None
    schedule = e.span.schedule
    if is_time(e):
        return clock_changes.at_occurrence(schedule, e.at)
    near = [previous(e.spans, e.at), following(e.spans, e.at)]
    if schedule.fields.real_time or clock_changes.at_no_occurrence(schedule, e.at):
        return None
    return next(
        (
            said
            for one in near
            if one and abs(one - e.at) < _NEAR_CHANGE and (said := clock_changes.at_occurrence(schedule, one))
        ),
        None,
    )


def _earlier_name(e: Evidence) -> str | None:
    """Return what the job was called at that instant, if that was another name."""
    later = [s for s in e.standings if s.renamed_from and s.since and s.since >= e.at]
    return f"it was called {later[0].renamed_from} then" if later else None


def _last(e: Evidence, last: Run | None) -> str | None:
    if last is None or last.fire_at is None:
        return None
    return f"its last occurrence was that of {when(last.fire_at, e.zone)} (run {last.id}, {_state(last)})"


def _state(run: Run) -> str:
    return run.state.replace("_", " ")


def _text(e: Evidence, cron: str, zone: str) -> str | None:
    try:
        return describe(cron, zone) if cron else e.job.spec.schedule_text
    except ScheduleError:
        return None


def _enabled(s: Standing) -> dict[str, Any]:
    return {
        "by": "override" if s.overridden else "git",
        "enabled": s.enabled,
        "who": s.who,
        "reason": s.reason,
        "since": iso(s.since) if s.since else None,
        "until": iso(s.until) if s.until else None,
    }


def _held(e: Evidence) -> str | None:
    """Say that a newer definition waits for a confirmation, where it is about this job."""
    state = e.state
    if state.fault == HELD and e.at > e.now and state.last_error and e.job.id in state.last_error:
        return f"a newer revision is held back: {first_line(state.last_error)}"
    return None


def _asked_by_hand(e: Evidence, found: Explanation, *, asked: bool) -> str | None:
    """Mention a run that somebody asked for near that time, where nothing ran by the schedule."""
    if not e.by_hand or (asked and found.answer in {"ran", "running", "queued"}):
        return None
    run = min(e.by_hand, key=lambda one: abs(one.created_at - e.at)) if asked else e.by_hand[-1]
    at = when(run.created_at, e.zone)
    if run.parents:
        before = " and ".join(f"run {one['run_id']} of {job_id}" for job_id, one in run.parents.items())
        return f"run {run.id} followed {before} at {at} ({_state(run)})"
    return f"run {run.id} was asked for by {run.requested_by or 'hand'} at {at} ({_state(run)})"


def _facts(e: Evidence) -> list[dict[str, str]]:
    found = of_row.facts_of(e.row, e) if e.row else []
    if e.row is None and is_time(e):
        found.append((e.at, f"occurrence of {e.job.id}"))
    for run in (*e.by_hand, *([e.other] if e.other else [])):
        of = f"of {iso(run.fire_at)}" if run.fire_at else f"asked for by {run.requested_by or 'hand'}"
        found.append((run.started_at or run.created_at, f"run {run.id} ({of}): {_state(run)}"))
    found += _of_the_job(e)
    if e.silence is not None:
        found += [
            (e.silence[0], "the last tick before Sauron was down"),
            (e.silence[1], "the first tick after that"),
        ]
    before, after = previous(e.spans, e.at), following(e.spans, e.at)
    found += [(before, "the occurrence before")] if before else []
    found += [(after, "the next occurrence")] if after else []
    if e.state.fault and e.state.failing_since:
        found.append((e.state.failing_since, f"syncs fail since then: {first_line(e.state.last_error)}"))
    return [{"at": iso(at), "what": what} for at, what in sorted(found)]


def _of_the_job(e: Evidence) -> list[tuple[datetime, str]]:
    """Return what was in force up to that instant, and until when."""
    found = [(s.since, _told(s)) for s in e.standings if s.since is not None and s.since < e.decided_at]
    if not e.standings and e.standing.since is not None:
        found.append((e.standing.since, _told(e.standing)))
    if e.standing.until is not None:
        found.append((e.standing.until, "the override ends"))
    if e.span is not None:
        revision = f" (revision {e.span.revision[:12]})" if e.span.revision else ""
        found.append((e.span.since, f"schedule {e.span.schedule.expression!r} in force{revision}"))
    return found[-MOST_FACTS:]


def _told(s: Standing) -> str:
    by = f"revision {s.revision[:12]}" if s.revision else (s.who or "an operator") if s.overridden else "git"
    if s.renamed_from:
        return f"renamed from {s.renamed_from}"
    if s.removed:
        return f"removed from the bundle by {by}"
    if s.rejected is not None:
        return f"definition rejected by {by}: {first_line(s.rejected)}"
    why = f" ({first_line(s.reason)})" if s.reason else ""
    return f"{'enabled' if s.enabled else 'disabled'} by {by}{why}"


def never_in_force(job_id: str, refused: Mapping[str, Any], *, sha: str | None, at: str) -> dict[str, Any]:
    """Return the answer for a job that was never in force, because its only definition was rejected."""
    place = f" ({refused['place']})" if refused.get("place") else ""
    of = f" of revision {sha[:12]}" if sha else ""
    cause = f"The definition of {job_id}{place}{of} is rejected: {first_line(str(refused.get('reason')))}"
    return {
        "job_id": job_id,
        "at": at,
        "answer": "rejected",
        "sentence": sentence(cause, "Mend the definition in the bundle and push; the next sync brings it"),
        "occurrence": None,
        "run": None,
        "schedule": None,
        "revision": sha,
        "enabled": {"by": "git", "enabled": False, "who": None, "reason": None, "since": None, "until": None},
        "previous": None,
        "next": None,
        "facts": [],
    }
