"""What is foreseen of the occurrences of the next 24 hours: which start in time, wait, or do not run.

The occurrences that will not run are among them, each with what keeps it from running. What runs or waits now
counts: a run in progress is taken to end after its job's usual time. One that is slower than usual already,
or whose job has no good runs yet, is taken to go on as long again as it has gone on, at most to its limit;
what depends on its end is uncertain. Every run is taken to end well.

Limit: the first `MOST` occurrences are simulated; of those after `until` only the schedule is known, and what
keeps their job from running. A child of several jobs is not foreseen for an occurrence that has begun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from chalicelib.cron.minutes import Minutes
from chalicelib.errors import ScheduleError
from chalicelib.model.jobs import Job
from chalicelib.model.runs import JobId
from chalicelib.settings import Settings
from chalicelib.store import past_runs, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import pauses
from chalicelib.store.queue.pauses import PAUSED, Pause

from . import fates
from .fates import Fate
from .job_set import JobSet, Member
from .load import Load
from .places import places
from .simulate import WITHOUT_HISTORY
from .unfinished import Unfinished, going_on, unfinished, waiting
from .virtual_jobs import fires_of, following, occurrences_of, since, virtual_jobs_of
from .virtual_time import VirtualJob, VirtualRun, VirtualTime

DAY = timedelta(hours=24)
MOST = 5_000  # occurrences that are simulated
ROWS, LAST = 5_000, 100  # runs that usual durations are taken from: of all jobs, and of one
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Foresight:
    """The occurrences after `now` up to a day later.

    `simulated` are those that fire up to `until`, in the order of time; `others` has for each job the minutes
    of those that are not simulated, because they are later or will not run, `off` those of its own schedule
    while it is off. `busiest` is the first of the minutes in which most occurrences fall due, with their
    number; `workers` is how many runs may run at once.
    """

    now: datetime
    until: datetime
    jobs: Mapping[JobId, Job]
    members: Mapping[JobId, Member]
    minutes: Minutes
    simulated: Sequence[tuple[datetime, JobId, VirtualRun]]
    others: Mapping[JobId, int]
    off: Mapping[JobId, int]
    counts: Mapping[JobId, int]
    usual: Mapping[JobId, float]
    begun: Unfinished
    pause: Pause | None
    workers: int
    busiest: tuple[datetime, int] | None

    @property
    def whole(self) -> bool:
        """Whether all occurrences of the day are simulated."""
        return self.until >= self.minutes.end

    def fate_of(self, job_id: JobId, at: datetime) -> Fate:
        """Return what is known of an occurrence that is not simulated."""
        if self.jobs[job_id].removed_at is not None:
            return Fate.REMOVED
        return Fate.OFF if self.off[job_id] >> self.minutes.place(at) & 1 else self._while_on(job_id, at)

    def _while_on(self, job_id: JobId, at: datetime) -> Fate:
        member = self.members[job_id]
        if member.spec.after and not member.enabled(at):
            return Fate.OFF
        if member.rejected is not None:
            return Fate.REJECTED
        if self.pause is not None and (self.pause.until is None or at < self.pause.until):
            return Fate.PAUSED
        return Fate.UNKNOWN

    def count(self, wanted: Callable[[JobId], bool]) -> Counter[Fate]:
        """Return how many occurrences of the wanted jobs have each fate."""
        found = Counter(
            fates.of(run, self.members[job_id]) for _, job_id, run in self.simulated if wanted(job_id)
        )
        for job_id, bits in self.others.items():
            if wanted(job_id):
                self._count_others(found, job_id, bits)
        return found

    def _count_others(self, found: Counter[Fate], job_id: JobId, bits: int) -> None:
        """Count a job's occurrences that are not simulated, by the times between which a fate is the same."""
        if self.jobs[job_id].removed_at is not None:
            found[Fate.REMOVED] += bits.bit_count()
            return
        off = bits & self.off[job_id]
        if off:
            found[Fate.OFF] += off.bit_count()
        first, last, rest = self.minutes.start, self.minutes.end + _MICROSECOND, bits & ~off
        changes = {one.until for one in (self.pause, self.members[job_id].override) if one is not None}
        ends = sorted(one for one in changes if one is not None and first < one < last)
        for begin, end in zip([first, *ends], [*ends, last], strict=True):
            part = rest & self.minutes.part(begin - _MICROSECOND, end - _MICROSECOND) if ends else rest
            if part:
                found[self._while_on(job_id, begin)] += part.bit_count()


def foresee(tx: Tx, settings: Settings, *, now: datetime, most: int = MOST) -> Foresight:
    """Foresee the occurrences after `now` up to a day later, at most `most` of them by simulation."""
    jobs = {
        job.id: job
        for job in registry.all_jobs(tx, removed=True)
        if job.removed_at is None or job.removed_at > now - DAY
    }
    members = {
        job_id: Member(job.spec, job.source, job.override, job.rejected) for job_id, job in jobs.items()
    }
    in_force = {job_id: one for job_id, one in members.items() if jobs[job_id].removed_at is None}
    minutes = Minutes(now, now + DAY)
    own = fires_of(in_force, minutes)
    fires = own | following(in_force, own)
    cut, until = _bound(fires, minutes, most)
    pause = pauses.in_force(tx, now)
    begun = unfinished(tx, now=now)
    there = places(tx, settings, now=now)
    workers = there.workers if settings.queue_enabled else 0
    simulated_own = {job_id: part for job_id, bits in own.items() if (part := bits & cut)}
    at_work = {JobId(run.job_id) for run in (*begun.running, *begun.queued)} & in_force.keys()
    involved = sorted(_with_followers(in_force, {*simulated_own, *at_work}))
    usual = usual_seconds(tx, involved)
    simulated_fires = {**simulated_own, **following(in_force, simulated_own)}
    at = {job_id: since(now, minutes, simulated_fires.get(job_id, 0)) for job_id in involved}
    made = _virtual_jobs(in_force, at, usual, now=now, pause=pause)
    fired = {
        job_id: at[job_id] if simulated_fires[job_id] == bits else since(now, minutes, bits)
        for job_id, bits in simulated_own.items()
    }
    due = occurrences_of(in_force, made, fired, now)
    virtual = VirtualTime(
        [*waiting(begun, in_force, made, now=now, pause=pause), *due],
        workers=workers,
        pools=settings.pools,
        going_on=going_on(begun, in_force, made, usual, there.runners, now=now),
    )
    virtual.run()
    simulated = sorted(
        (
            (now + _MICROSECOND * (run.fire if run.parent is None else run.due), JobId(run.job.job_id), run)
            for run in virtual.runs
            if run.stored is None
        ),
        key=lambda one: one[:2],
    )
    off = {job_id: _fires(one, minutes) & ~own.get(job_id, 0) for job_id, one in members.items()}
    later = minutes.all & ~cut
    others = {job_id: bits for job_id in members if (bits := off[job_id] | fires.get(job_id, 0) & later)}
    counts = Counter(job_id for _, job_id, _ in simulated)
    counts.update({job_id: bits.bit_count() for job_id, bits in others.items()})
    to_run = {job_id: bits for job_id, bits in own.items() if members[job_id].rejected is None}
    return Foresight(
        now=now,
        until=until,
        jobs=jobs,
        members=members,
        minutes=minutes,
        simulated=simulated,
        others=others,
        off=off,
        counts=counts,
        usual=usual,
        begun=begun,
        pause=pause,
        workers=workers,
        busiest=_busiest(to_run, minutes, pause),
    )


def _virtual_jobs(
    jobs: JobSet,
    at: Mapping[JobId, Sequence[int]],
    usual: Mapping[JobId, float],
    *,
    now: datetime,
    pause: Pause | None,
) -> dict[JobId, VirtualJob]:
    seconds = {job_id: usual.get(job_id, WITHOUT_HISTORY) for job_id in at}
    made = virtual_jobs_of(jobs, at, seconds, now)
    if pause is not None:
        for job in made.values():
            job.barred = _paused(job, pause, now)
    return made


def _busiest(
    fires: Mapping[JobId, int], minutes: Minutes, pause: Pause | None
) -> tuple[datetime, int] | None:
    """Return the first of the minutes in which most occurrences fire that no pause skips."""
    end = minutes.start if pause is None else (pause.until or minutes.end + _MICROSECOND) - _MICROSECOND
    load = Load()
    for bits in fires.values():
        load.add(bits & ~minutes.part(minutes.start, end))
    fullest = load.fullest()
    return None if fullest is None else (minutes.at(fullest[0]), fullest[1])


def usual_seconds(tx: Tx, job_ids: Sequence[JobId]) -> dict[JobId, float]:
    """Return the median duration of good runs, for the jobs that have some.

    It is of a job's last hundred ended runs, or of fewer if there are very many jobs.
    """
    if not job_ids:
        return {}
    found = past_runs.good_seconds_of(tx, job_ids, most=max(1, min(LAST, ROWS // len(job_ids))))
    return {JobId(job_id): round(median(took), 6) for job_id, took in found.items() if took}


def _bound(fires: Mapping[JobId, int], minutes: Minutes, most: int) -> tuple[int, datetime]:
    """Return the minutes that hold no more than `most` occurrences, and the instant up to which these are."""
    load = Load()
    for bits in fires.values():
        load.add(bits)
    if load.count() <= most:
        return minutes.all, minutes.end
    fits, beyond = 0, minutes.all.bit_length()
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        if load.count((1 << middle + 1) - 1) <= most:
            fits = middle
        else:
            beyond = middle
    return minutes.all & ((1 << fits + 1) - 1), minutes.at(fits)


def _fires(member: Member, minutes: Minutes) -> int:
    """Return the minutes in which a job's schedule fires, on or off."""
    try:
        return minutes.of(member.spec.schedule) if member.spec.cron else 0
    except ScheduleError:  # a zone that an update of this machine dropped
        return 0


def _with_followers(jobs: JobSet, first: set[JobId]) -> set[JobId]:
    """Return jobs and those that follow them, however many steps below."""
    below: dict[JobId, list[JobId]] = {}
    for job_id, member in jobs.items():
        for parent in member.spec.after:
            below.setdefault(parent, []).append(job_id)
    found, steps = set(first), list(first)
    while steps:
        new = [child for child in below.get(steps.pop(), ()) if child not in found]
        found.update(new)
        steps += new
    return found


def _paused(job: VirtualJob, pause: Pause, now: datetime) -> Callable[[int, int], str | None]:
    """Return what keeps a job's occurrences from running: what does anyway, then the pause while it lasts."""
    barred = job.barred
    until = None if pause.until is None else (pause.until - now) // _MICROSECOND
    return lambda fire, due: barred(fire, due) or (PAUSED if until is None or due < until else None)
