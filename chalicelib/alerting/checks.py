"""The checks by which `incidents` decides: how one subject stands now, kind by kind.

Each check runs inside the caller's transaction and returns a `CheckResult`. The open incident, if there is
one, is an argument: some kinds begin at one bound and end at another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.model.faults import DEFINITION_REJECTED, FETCH, HELD, LOAD
from chalicelib.model.jobs import Job
from chalicelib.model.liveness import was_down, was_set_back
from chalicelib.model.runs import GOOD, Run, RunState
from chalicelib.settings import Settings
from chalicelib.store import duties, history, incidents, outbox, registry, run_health
from chalicelib.store.database import Tx
from chalicelib.store.incidents import Incident
from chalicelib.store.run_health import Fault
from chalicelib.text import counted

from .check_result import OF_SAURON, UNCHANGED, CheckResult, Kind, not_applicable, ok, wrong

LATE = timedelta(minutes=5)
OVERLAP = timedelta(minutes=2)  # rows that others record late, or by other clocks
OUTBOX_STUCK = timedelta(minutes=15)
FETCHES = 3  # failed in a row before people are told: a network may hiccup
DISK_AGAIN = 1.1  # of the bound: room that swings about it is told once
MB = 1 << 20


NO_BUNDLE = not_applicable("unset", "no bundle is configured any more (JOBS_GIT_REPO_URL)")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one pass looks at: since when, with which settings, and what it saw once for all subjects."""

    now: datetime
    since: datetime
    settings: Settings
    ticking: bool
    fault: Fault = field(default_factory=Fault)
    rejected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    free_bytes: int | None = None

    @classmethod
    def brief(cls, tx: Tx, now: datetime, settings: Settings) -> Snapshot:
        """See what concerns jobs whose runs just ended."""
        ticked = duties.duty(tx, duties.TICK)
        return cls(now, now - OVERLAP, settings, ticked is not None and not was_down(ticked[0], now))

    @classmethod
    def whole(
        cls,
        tx: Tx,
        now: datetime,
        settings: Settings,
        *,
        since: datetime,
        free_bytes: Callable[[], int] | None,
    ) -> Snapshot:
        """See what concerns all subjects."""
        fault = run_health.fault(tx) if settings.jobs_git_repo_url else Fault()
        rejected = {
            str(one.get("job_id") or one.get("place") or "manifest.py")[: incidents.SUBJECT_CHARS]: one
            for one in fault.rejected
        }
        ticking = cls.brief(tx, now, settings).ticking
        return cls(now, since, settings, ticking, fault, rejected, _room(free_bytes))

    def late_jobs(self, tx: Tx) -> list[str]:
        """Return the jobs that are late: none after downtime, until a tick has decided what still runs."""
        return run_health.late_jobs(tx, self.now - LATE) if self.ticking else []


def _room(free_bytes: Callable[[], int] | None) -> int | None:
    try:
        return free_bytes() if free_bytes else None
    except OSError:
        return None


def find(
    tx: Tx, look: Snapshot, subject: str, kind: Kind, known: Incident | None, *, in_full: bool
) -> CheckResult:
    """Say how one subject and kind stands; `in_full` asks for the facts also of what is known to be wrong."""
    if kind is Kind.SLOW or kind in OF_SAURON:
        return _OF_SAURON[kind](tx, look, known) if kind in OF_SAURON else _slow(tx, look, subject, known)
    if (
        kind is Kind.FAILING
        and known is None
        and ((last := run_health.last_judged(tx, subject)) is None or last.state in GOOD)
    ):
        return ok()
    job = registry.job(tx, subject)
    if job is None or job.removed_at is not None:
        gone = not_applicable("removed", "the job was removed from the bundle")
        return _rejected(look, subject, job) if kind is Kind.REJECTED else gone
    if not job.enabled:
        return _disabled(job)
    if kind is Kind.FAILING:
        return _failing(tx, job, known, in_full=in_full)
    return _OF_JOBS[kind](tx, look, job, known)


def _disabled(job: Job) -> CheckResult:
    switch = job.override
    if switch is None or switch.enabled:
        return not_applicable("disabled", "the manifest disables the job")
    by = f" by {switch.by}" if switch.by else ""
    why = f": {switch.reason}" if switch.reason else ""
    return not_applicable("disabled", f"the job was disabled{by}{why}")


def _failing(tx: Tx, job: Job, known: Incident | None, *, in_full: bool) -> CheckResult:
    last = run_health.last_judged(tx, job.id)
    if last is None:
        return not_applicable("forgotten", "its runs are no longer kept")
    if last.state in GOOD:
        well = "succeeded" if last.state == RunState.SUCCEEDED else f"ended {last.state}"
        reason = f"the run {well}; before that: {known.reason}" if known else ""
        return ok(reason, last.finished_at, job.id, last.id, {"state": last.state})
    if not in_full:
        return UNCHANGED
    row = run_health.failures(tx, job.id, least=1 if known else job.spec.alert_after)
    if not row:
        return ok()
    if known is None and (over := incidents.last_end(tx, job.id, Kind.FAILING)) and last.finished_at <= over:
        return ok()  # it was switched off and on again: that failure was told
    facts = {
        "state": last.state,
        "error": last.error,
        "error_type": last.error_type,
        "failures_in_row": len(row),
    }
    return wrong(last.error or f"the run {_ended(last.state)}", row[-1].finished_at, job.id, last.id, facts)


def _ended(state: str) -> str:
    return "timed out" if state == RunState.TIMED_OUT else "failed"


def _late(tx: Tx, look: Snapshot, job: Job, known: Incident | None) -> CheckResult:
    if not look.ticking:
        return UNCHANGED
    run = run_health.late_run(tx, job.id, look.now - LATE)
    if run is None:
        late = history.run(tx, known.run_id) if known and known.run_id else None
        return ok(_since_late(late), look.now, job.id, late.id if late else None)
    reason = f"its run was due at {iso(run.due_at)} and has not started"
    return wrong(reason, run.due_at, job.id, run.id, {"due_at": iso(run.due_at)})


def _slow(tx: Tx, look: Snapshot, run_id: str, known: Incident | None) -> CheckResult:
    one = next((one for one in run_health.slow(tx, look.now) if one.run_id == run_id), None)
    if one is None:
        return not_applicable("over", "the attempt has ended")
    seconds = round((look.now - one.started_at).total_seconds(), 1)
    reason = f"attempt {one.attempt} of its run takes longer than {one.bound:g} s; it goes on"
    facts = {"attempt": one.attempt, "seconds": seconds}
    again = known is not None and known.since != one.started_at
    return wrong(reason, one.started_at, one.job_id, run_id, facts, another=again)


def _since_late(run: Run | None) -> str:
    """Say what became of a run that was late."""
    if run is None:
        return "its runs start again"
    if run.started_at is not None:
        return f"its run started at {iso(run.started_at)}"
    if run.state in {RunState.SKIPPED, RunState.MISSED, RunState.CANCELLED}:
        return f"its run was {run.state} before it started" + (f": {run.reason}" if run.reason else "")
    return "its run no longer waits for a worker"


def _missed(tx: Tx, look: Snapshot, job: Job, known: Incident | None) -> CheckResult:
    ended = incidents.ended_since(tx, job.id, look.since - OVERLAP)
    told = {one.run_id for one in ended} | ({known.run_id} if known else set())
    # Who knows that the definition is rejected need not hear of each occurrence that this costs.
    quiet = known is not None or job.id in look.rejected or any(one.kind == Kind.REJECTED for one in ended)
    for gap in run_health.gaps(tx, job.id, look.since, look.now + OVERLAP):
        if gap.id in told or (quiet and (gap.reason or "").startswith(DEFINITION_REJECTED)):
            continue
        begin, count = gap.gap_from or gap.fire_at, max(1, gap.gap_count)
        facts = {"count": count, "from": iso(begin), "to": iso(gap.fire_at)}
        times = (
            f"{count} occurrences from {iso(begin)} to {iso(gap.fire_at)}"
            if count > 1
            else f"the occurrence of {iso(begin)}"
        )
        return wrong(f"{times}: {gap.reason}", begin, job.id, gap.id, facts, another=known is not None)
    if known is None or run_health.ran_after_gap(tx, job.id, known.run_id):
        return not_applicable("over", "a later occurrence was executed")
    return UNCHANGED


def _rejected(look: Snapshot, subject: str, job: Job | None) -> CheckResult:
    one = look.rejected.get(subject)
    job_id = job.id if job else None
    if one is None:
        return ok("its definition is no longer rejected", look.now, job_id)
    told = job_id or (str(one["job_id"])[:64] if one.get("job_id") else None)
    return wrong(str(one.get("reason")), look.now, told, None, {"place": one.get("place")})


def _sync(_tx: Tx, look: Snapshot, known: Incident | None) -> CheckResult:
    fault = look.fault
    if not look.settings.jobs_git_repo_url:
        return NO_BUNDLE
    if fault.kind != FETCH or (known is None and fault.failures < FETCHES):
        return ok("the bundle can be fetched again", look.now)
    return wrong(
        fault.error or "it failed",
        fault.since,
        facts={"fault": fault.kind, "failures_in_row": fault.failures},
    )


def _manifest(_tx: Tx, look: Snapshot, known: Incident | None) -> CheckResult:
    fault = look.fault
    if not look.settings.jobs_git_repo_url:
        return NO_BUNDLE
    if fault.kind in {LOAD, HELD}:
        reason = fault.error or "it was refused"
        return wrong(reason, fault.since, facts={"fault": fault.kind, "failures_in_row": fault.failures})
    unseen = known is not None and fault.kind is not None  # what cannot be fetched was not mended
    return UNCHANGED if unseen else ok("the bundle's newest revision is active", look.now)


def _outbox(tx: Tx, look: Snapshot, _known: Incident | None) -> CheckResult:
    if not look.settings.life_hub_url:
        return not_applicable("unset", "Life Hub is not configured any more (DATABASE_URL)")
    lag = outbox.lag(tx)
    if lag.oldest_at is None or look.now - lag.oldest_at <= OUTBOX_STUCK:
        return ok("copies are made again", look.now, facts={"waiting": lag.waiting})
    rows = counted(lag.waiting, "row")
    reason = f"{rows} not copied to Life Hub yet, the oldest since {iso(lag.oldest_at)}"
    return wrong(reason, lag.oldest_at, facts={"waiting": lag.waiting, "oldest_at": iso(lag.oldest_at)})


def _disk(_tx: Tx, look: Snapshot, known: Incident | None) -> CheckResult:
    low = look.settings.disk_low_mb
    if not low:
        return not_applicable("unset", "the disk is not watched any more (SAURON_DISK_LOW_MB is 0)")
    if look.free_bytes is None:
        return UNCHANGED
    free = look.free_bytes // MB
    bound = low * DISK_AGAIN if known else low
    facts = {"free_mb": free, "low_mb": low}
    if look.free_bytes < bound * MB:
        return wrong(f"{free} MB are free where the store lies, less than {low} MB", look.now, facts=facts)
    return ok(f"{free} MB are free where the store lies", look.now, facts=facts)


def _clock(tx: Tx, look: Snapshot, _known: Incident | None) -> CheckResult:
    until = duties.come_before(tx)
    if until is None:
        return ok("the clock is past where it had been", look.now)
    if not was_set_back(until, look.now):
        return UNCHANGED  # also where runners' clocks differ: it is well once no tick sees it any more
    said = f"the clock had been at {iso(until)}: until then no job fires by its schedule. Runs by hand start"
    return wrong(f"{said}. See that the clock is right (timedatectl set-ntp true)", look.now)


_OF_JOBS: Mapping[Kind, Callable[[Tx, Snapshot, Job, Incident | None], CheckResult]] = {
    Kind.LATE: _late,
    Kind.MISSED: _missed,
    Kind.REJECTED: lambda _tx, look, job, _known: _rejected(look, job.id, job),
}
_OF_SAURON: Mapping[Kind, Callable[[Tx, Snapshot, Incident | None], CheckResult]] = {
    Kind.SYNC: _sync,
    Kind.MANIFEST: _manifest,
    Kind.OUTBOX: _outbox,
    Kind.DISK: _disk,
    Kind.CLOCK: _clock,
}
