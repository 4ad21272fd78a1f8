"""The plan: what a revision, or a folder as it lies, would change against what is in force.

It is arithmetic over two sets of jobs and a span of days; it activates nothing. Occurrences are counted by
their fire times, the builtin jobs' included; jitter, which spreads their starts, is what `simulate` shows.
Of collisions and of effects of clock jumps the first are listed, and `..._count` says how many there are; of
commits the newest 100 are.

A job without cron has no occurrences of its own: what follows from those of its parents is what `simulate`
shows.

Limit: a change of a function's code alone is not seen as a change of its job; its commit is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.cron.minutes import Minutes, places
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import JobSpec
from chalicelib.model.removals import mass_removal, some_of
from chalicelib.model.runs import JobId

from .clock_jumps import effects
from .job_set import Candidate, InForce, Member, after, renames, specs
from .load import Load

MOST_LISTED = 200  # collisions, and effects of clock jumps
EXAMPLES = 3  # occurrences of each job that appear, and that vanish
_TIMES = ("cron", "timezone", "after", "enabled")
_NAMED = {"id", "place"}
_NONE = " While it is off it has no occurrences."


@dataclass(frozen=True, slots=True)
class _Pair:
    """A job before and after, with its occurrences in both sets; None: it is not in that set."""

    job_id: JobId
    before: Member | None
    after: Member | None
    was: int = 0
    will: int = 0

    @property
    def appear(self) -> int:
        return self.will & ~self.was

    @property
    def vanish(self) -> int:
        return self.was & ~self.will


def plan(
    candidate: Candidate,
    now: InForce,
    *,
    start: datetime,
    days: int,
    missing: Callable[[JobSpec], Collection[str]],
) -> dict[str, Any]:
    """Compare a candidate with what is in force, over so many days from `start`.

    `missing` returns the required secrets of a job that are not set.
    """
    minutes = Minutes(start, start + timedelta(days=days))
    will_be = after(candidate, now) if candidate.fault is None else now.jobs
    former = renames(specs(candidate), now) if candidate.fault is None else {}
    pairs = _pairs(now, will_be, former, minutes)
    was, will = Load(), Load()
    for pair in pairs:
        was.add(pair.was)
        will.add(pair.will)
    collisions, clashes = _collisions(pairs, minutes)
    jumps = [
        {"job_id": pair.job_id, "at": iso(at), "what": what}
        for pair in pairs
        if pair.after is not None and pair.will  # a job without cron has no fire times
        for at, what in effects(pair.after.spec.schedule, minutes.start, minutes.end)
        if pair.after.enabled(at)
    ]
    return {
        "from": now.sha,
        "to": candidate.to,
        "since": iso(minutes.start),
        "until": iso(minutes.end),
        "days": days,
        "commits": [dict(one) for one in candidate.commits],
        "undone": [dict(one) for one in candidate.undone],
        "jobs": [change for pair in pairs if (change := _change(pair, minutes, former))],
        "load": {
            "before": was.count(),
            "after": will.count(),
            "busiest": _busiest(will, minutes),
            "busiest_before": _busiest(was, minutes),
            "hours": _hours(was, will, minutes),
        },
        "collisions": collisions,
        "collisions_count": clashes,
        "dst": jumps[:MOST_LISTED],
        "dst_count": len(jumps),
        "problems": list(_problems(candidate, now)),
        "missing_secrets": [
            {"job_id": member.id, "missing": names}
            for _, member in sorted(will_be.items())
            if not member.builtin and member.rejected is None and (names := list(missing(member.spec)))
        ],
        "remarks": [dict(one) for one in candidate.remarks],
    }


def _pairs(
    now: InForce, will_be: Mapping[JobId, Member], former: Mapping[JobId, JobId], minutes: Minutes
) -> list[_Pair]:
    pairs = []
    for job_id in sorted({*now.jobs, *will_be} - set(former.values())):
        before, then = now.jobs.get(former.get(job_id, job_id)), will_be.get(job_id)
        pairs.append(_Pair(job_id, before, then, _runs(before, minutes), _runs(then, minutes)))
    return pairs


def _runs(member: Member | None, minutes: Minutes) -> int:
    try:
        return member.runs(minutes) if member else 0
    except ScheduleError:  # a zone that an update of this machine dropped
        return 0


def _change(pair: _Pair, minutes: Minutes, former: Mapping[JobId, JobId]) -> dict[str, Any] | None:
    """Return what becomes of a job; None if nothing does."""
    before, then = pair.before, pair.after
    changed = _changed(before, then, minutes.start)
    kind = _kind(pair, changed, renamed=pair.job_id in former)
    if kind is None:
        return None
    examples = [(at, "appears") for at in minutes.instants(pair.appear, most=EXAMPLES)]
    examples += [(at, "vanishes") for at in minutes.instants(pair.vanish, most=EXAMPLES)]
    return {
        "job_id": pair.job_id,
        "change": kind,
        "before": _shown(before, changed, minutes.start),
        "after": None if kind == "removed" else _shown(then, changed, minutes.start),
        "changed": changed,
        "appear": pair.appear.bit_count(),
        "vanish": pair.vanish.bit_count(),
        "examples": [{"at": iso(at), "what": what} for at, what in sorted(examples)],
        "note": _note(then, minutes),
    }


def _kind(pair: _Pair, changed: Collection[str], *, renamed: bool) -> str | None:
    """Return what becomes of a job in one word; one whose new definition is rejected counts as removed."""
    before, then = pair.before, pair.after
    if before is None:
        return "added"
    if then is None:
        return "removed"
    if then.rejected is not None:
        return "removed" if before.rejected is None else None
    if renamed:
        return "renamed"
    if set(changed) & set(_TIMES):
        return "rescheduled"
    return "edited" if changed or before.rejected is not None else None


def _changed(before: Member | None, then: Member | None, at: datetime) -> list[str]:
    """Return the fields that differ; `enabled` is what is in force."""
    if before is None or then is None:
        return []
    old, new = before.spec.record, then.spec.record
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} - _NAMED
    if before.enabled(at) != then.enabled(at):
        names.add("enabled")
    elif "enabled" in names:
        names.remove("enabled")
        names.add("enabled_in_bundle")
    return sorted(names)


def _shown(member: Member | None, changed: Collection[str], at: datetime) -> dict[str, Any] | None:
    if member is None:
        return None
    spec, record = member.spec, member.spec.record
    return {
        **{name: record.get(name) for name in changed if name not in {"params", "enabled_in_bundle"}},
        "id": spec.id,
        "cron": spec.cron,
        "timezone": spec.timezone,
        "schedule_text": _described(spec),
        "enabled": member.enabled(at),
        "enabled_in_bundle": spec.enabled,
        "rejected": member.rejected,
        "place": spec.place,
    }


def _described(spec: JobSpec) -> str:
    try:
        return spec.schedule_text
    except ScheduleError:
        return spec.cron


def _note(member: Member | None, minutes: Minutes) -> str | None:
    """Return why a job has other occurrences than its schedule."""
    if member is None:
        return None
    if member.rejected is not None:
        return "Its new definition is rejected: its occurrences are missed until that is mended."
    override = member.override
    if override is not None and (override.until is None or override.until > minutes.start):
        state = "on" if override.enabled else "off"
        until = f"until {iso(override.until)}" if override.until else "whatever the bundle says"
        return f"An operator keeps it {state}, {until}." + ("" if override.enabled else _NONE)
    return None if member.spec.enabled else f"The bundle disables it.{_NONE}"


def _busiest(load: Load, minutes: Minutes) -> dict[str, Any]:
    minute, runs = load.fullest() or (None, 0)
    return {"at": None if minute is None else iso(minutes.at(minute)), "runs": runs}


def _hours(was: Load, will: Load, minutes: Minutes) -> list[dict[str, int]]:
    """Return the occurrences by hour of the day in UTC."""
    hours: list[int] = [0] * 24
    end, at = minutes.end, minutes.base.replace(minute=0)
    one = timedelta(hours=1)
    instant = timedelta(microseconds=1)
    while at <= end:
        hours[at.hour] |= minutes.part(at - instant, at + one - instant)
        at += one
    return [
        {"hour": hour, "before": was.count(part), "after": will.count(part)}
        for hour, part in enumerate(hours)
    ]


def _collisions(pairs: Collection[_Pair], minutes: Minutes) -> tuple[list[dict[str, Any]], int]:
    """Return the minutes in which an occurrence that appears meets another one of the bundle's jobs.

    The first of them are listed; the number counts them all.
    """
    once = twice = new = 0
    ours = [pair for pair in pairs if pair.after is not None and not pair.after.builtin and pair.will]
    for pair in ours:
        twice |= once & pair.will
        once |= pair.will
        new |= pair.appear
    clashing = twice & new
    listed = {place: list[str]() for place in places(clashing, most=MOST_LISTED)}
    among = sum(1 << place for place in listed)
    for pair in ours:
        for place in places(pair.will & among):
            listed[place].append(pair.job_id)
    found = [{"at": iso(minutes.at(place)), "jobs": jobs} for place, jobs in listed.items()]
    return found, clashing.bit_count()


def _problems(candidate: Candidate, now: InForce) -> Iterator[dict[str, Any]]:
    """Yield what keeps a candidate, or jobs of it, from being in force."""
    if candidate.fault is not None:
        yield {
            "job_id": None,
            "problem": candidate.fault,
            "cure": "Mend it: a sync would fail, and the revision in force would stay.",
        }
        return
    for one in candidate.rejected:
        yield {
            "job_id": one["job_id"],
            "problem": one["reason"],
            "cure": f"Mend the definition at {one['place']}: until then it is left out.",
        }
    gone = mass_removal(now.of_bundle, specs(candidate).values())
    if gone:
        yield {
            "job_id": None,
            "problem": f"It would remove {len(gone)} of {len(now.of_bundle)} jobs ({some_of(gone)}), "
            "so a sync holds it.",
            "cure": "If that is meant, confirm it: `sauron sync --accept-removals`, or POST /sync with "
            '{"accept_removals": true}.',
        }
