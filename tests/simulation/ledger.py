"""The model's ledger: every change of a run's row is a move that the rules allow, by one who may make it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation import overlap
from tests.simulation.jobs import Job, Registry, Span, require
from tests.simulation.journal import Entry, instant, sure

ON_TIME = dt.timedelta(seconds=60)
DOWNTIME = dt.timedelta(seconds=150)
QUIET = dt.timedelta(seconds=65)
LEASE = 30.0
FINAL = frozenset({"succeeded", "degraded", "failed", "timed_out", "cancelled", "skipped", "missed"})
OCCURRENCES = ("schedule", "catchup")
FOLLOWERS = frozenset({"tick", "flow", "upkeep", "watch", "start"})
DROPPED = (*OCCURRENCES, "chain")  # what policy may drop before its first attempt
POOLS = {"db": 1, "api": 2}
NONE = dt.timedelta()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who commits: what kind of act, under which owner's name, and as the holder of which lease."""

    kind: str
    owner: str = ""
    lease: tuple[str, int, int] | None = None  # run, attempt, generation
    outcome: str | None = None  # of the attempt that ended
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """A row of the queue as the model knows it."""

    id: str
    job: Job
    state: str
    origin: str
    fire_at: dt.datetime | None
    due_at: dt.datetime
    max_attempts: int
    force: bool
    attempt: int = 0
    owner: str | None = None
    generation: int = 0
    revision: str | None = None
    cancel: str | None = None
    error_type: str | None = None
    beaten: float = 0.0  # when it was claimed or its lease renewed, on the monotonic clock
    began: bool = False
    finished_at: dt.datetime | None = None
    launched: set[int] = field(default_factory=set)
    pool: str | None = None
    priority: int = 0
    scheduled: bool = False  # the schedule asked for it, or for the run that it follows


class Ledger:
    """Judges every commit."""

    def __init__(self, manifest_of: Callable[[int], Mapping[str, Mapping[str, Any]]]) -> None:
        """Ask `manifest_of` for the jobs of a revision by its number."""
        self.registry = Registry()
        self.runs: dict[str, Run] = {}
        self.queued: set[str] = set()
        self.running: set[str] = set()
        self.last_tick: dt.datetime | None = None
        self.asked: set[str] = set()
        self.dead: set[str] = set()  # owners whose process ended
        self.occurrences = 0
        self.pauses: dict[str, tuple[dt.datetime, dt.datetime | None, bool]] = {}  # since, until, ended
        self.followed: dict[tuple[Job, str], str] = {}  # by child and run of its parent
        self._manifest_of = manifest_of

    @property
    def jobs(self) -> dict[str, Job]:
        """All jobs that ever were."""
        return self.registry.jobs

    def paused(self, at: dt.datetime) -> bool:
        """Say whether an instant lies in a pause."""
        return any(since <= at and (until is None or at < until) for since, until, _ in self.pauses.values())

    def paused_now(self, now: dt.datetime) -> bool:
        """Say whether everything is paused by what was committed, for one whose clock says `now`."""
        return any(not ended and (until is None or now < until) for _, until, ended in self.pauses.values())

    def commit(self, actor: Actor, news: list[Entry], *, now: dt.datetime, elapsed: float) -> bool:
        """Take what one transaction changed; return whether jobs were switched or a revision activated."""
        ended, acted = self._acts(actor, news, now)
        written: dict[str, list[Run]] = {}
        gaps: dict[str, list[tuple[dt.datetime, dt.datetime]]] = {}
        claimed: set[str] = {one.job_id for one in news if one.kind == "changed" and one.state == "running"}
        for one in news:
            if one.kind == "pause":
                self.pauses[one.id] = (sure(one.due_at), instant(one.gap_from), bool(int(one.state)))
            elif one.kind == "made":
                self._made(actor, one, now, written, gaps)
            elif one.kind == "deleted":
                self._deleted(actor, one)
            elif one.kind == "changed":
                self._changed(actor, one, now=now, elapsed=elapsed, claimed=claimed)
        for job, span in ended:
            job.check(span, span.until or now, f"when its schedule ended at {now:%F %T}")
            job.checked = None if job.in_force is None else job.checked
        for job_id in written.keys() | gaps.keys():
            self._catch_up(actor, self.jobs[job_id], written.get(job_id, []), gaps.get(job_id, []), now)
        for one in news:
            if one.kind == "tick":
                self._ticked(sure(one.due_at))
        return acted

    # Acts on jobs.

    def _acts(self, actor: Actor, news: list[Entry], now: dt.datetime) -> tuple[list[tuple[Job, Span]], bool]:
        ended: list[tuple[Job, Span]] = []
        acts = [one for one in news if one.kind in {"override", "override_ended", "active"}]
        for one in acts:
            if one.kind == "active":
                require(actor.kind in {"sync", "rollback"}, f"{actor.kind} activated a revision")
                number = int(one.revision or "0", 16)
                ended += self.registry.activate(number, self._manifest_of(number), now)
                continue
            job = self.jobs[one.job_id]
            job.former = job.fields
            if one.kind == "override":
                require(actor.kind in {"enable", "disable"}, f"{actor.kind} switched {job.id}")
                job.override, at = (bool(int(one.state)), instant(one.due_at)), now
            else:
                until = job.override[1] if job.override else None
                require(
                    until is not None and until <= now,
                    f"{actor.kind} ended the override of {job.id} at {now:%F %T}, which holds until {until}",
                )
                job.override, at = None, until or now
            if span := job.stand(at=at):
                ended.append((job, span))
        return ended, bool(acts)

    def _ticked(self, now: dt.datetime) -> None:
        self.last_tick = now
        for job in self.jobs.values():
            span = job.in_force
            if span is None:
                continue
            if job.taken_back:
                for fire_at in sorted(job.taken_back):
                    require(
                        job.account(fire_at),
                        f"{job.id}: {fire_at:%F %T} was taken back and is not in the ledger",
                    )
                job.taken_back.clear()
            if job.next_fire is not None and job.next_fire <= now:
                job.check(span, now, f"after the tick of {now:%F %T}")
                job.look_from(now)

    # Rows of the queue.

    def _made(
        self,
        actor: Actor,
        one: Entry,
        now: dt.datetime,
        written: dict[str, list[Run]],
        gaps: dict[str, list[tuple[dt.datetime, dt.datetime]]],
    ) -> None:
        job = self.registry.job(one.job_id)
        require(one.id not in self.runs, f"run {one.id} was made twice")
        fire_at = instant(one.fire_at)
        run = Run(
            one.id, job, one.state, one.origin, fire_at, sure(one.due_at), one.max_attempts, bool(one.force),
            finished_at=instant(one.finished_at), pool=one.pool, priority=one.priority,
            scheduled=one.origin in OCCURRENCES,
        )  # fmt: skip
        self.runs[run.id] = run
        job.recent.append(run.id)
        if one.origin == "chain":
            self._chained(actor, job, run, one)
        elif one.origin not in OCCURRENCES:
            require(actor.kind in {"trigger", "retry"}, f"{actor.kind} made a run of origin {one.origin}")
            require(one.state == "queued", "a run that a person asked for begins queued")
        elif one.gap_from is not None:
            self._gap(job, sure(one.gap_from), sure(one.fire_at), one, now)
            gaps.setdefault(job.id, []).append((sure(one.gap_from), sure(one.fire_at)))
        else:
            self._occurrence(job, run, now)
            written.setdefault(job.id, []).append(run)
        if one.state == "queued":
            self.queued.add(run.id)
            job.unfinished.add(run.id)

    def _chained(self, actor: Actor, job: Job, run: Run, one: Entry) -> None:
        """Judge a run that follows the end of another."""
        said = f"{job.id}: {actor.kind} made run {run.id}, {one.state}, after {one.parents}"
        require(actor.kind in FOLLOWERS and job.fields["after"] and not job.removed, said)
        for name, told in json.loads(one.parents or "{}").items():
            parent_id = told["run_id"]
            parent = self.runs.get(parent_id)
            require(parent is not None and name in job.fields["after"], said)
            assert parent is not None
            require(
                (job, parent_id) not in self.followed, f"{said}, as {self.followed.get((job, parent_id))}"
            )
            self.followed[job, parent_id] = run.id
            run.scheduled = run.scheduled or parent.scheduled
            ended_well = parent.state in {"succeeded", "degraded"}
            require(
                parent.state in FINAL and (one.state == "queued") == ended_well, f"{said}: {parent.state}"
            )

    def _occurrence(self, job: Job, run: Run, now: dt.datetime) -> None:
        assert run.fire_at is not None
        self.occurrences += 1
        at = f"{job.id}: {run.fire_at:%F %T}"
        require(run.state == "queued", f"{at} begins as {run.state}")
        require(job.may_have(run.fire_at, now), f"{at} is no fire time of {job.spans} at {now:%F %T}")
        require(job.account(run.fire_at) == 0, f"{at} is in the ledger already")
        late = run.due_at - run.fire_at
        jitter = max(one.get("jitter_minutes", 0) for one in (job.fields, job.former))
        require(
            NONE <= late <= dt.timedelta(minutes=jitter), f"{at} is due {late} later, jitter {jitter} min"
        )
        job.rows[run.fire_at] = run.id

    def _gap(self, job: Job, first: dt.datetime, last: dt.datetime, one: Entry, now: dt.datetime) -> None:
        said = f"{job.id}: the gap {first:%F %T} to {last:%F %T}"
        fires = job.fire_times(first, last)
        self.occurrences += len(fires)
        require(one.state == "missed" and last <= now, f"{said} is {one.state} at {now:%F %T}")
        require(len(fires) == one.gap_count, f"{said} counts {one.gap_count}, the schedule has {len(fires)}")
        require(fires[0] == first and fires[-1] == last, f"{said} does not begin and end with fire times")
        for fire_at in fires:
            require(
                job.account(fire_at) == 0, f"{said} counts {fire_at:%F %T}, which is in the ledger already"
            )
        job.gaps.append((first, last))

    def _catch_up(
        self,
        actor: Actor,
        job: Job,
        written: list[Run],
        gaps: list[tuple[dt.datetime, dt.datetime]],
        now: dt.datetime,
    ) -> None:
        """Hold what was queued late, and what was missed, against the catch-up policy."""
        silence = now - self.last_tick if self.last_tick and actor.kind == "tick" else NONE
        on_time = NONE if silence > DOWNTIME else ON_TIME
        late = sorted(run.fire_at for run in written if run.fire_at and run.fire_at <= now)
        faults = [
            _policy_fault(fields, late, gaps, now, on_time)
            for fields in (job.fields, job.former or job.fields)
        ]
        require(not all(faults), f"{job.id} at {now:%F %T}: {faults[0]}")

    def _deleted(self, actor: Actor, one: Entry) -> None:
        run = self.runs.pop(one.id)
        said = f"{run.job.id}: {actor.kind} deleted run {run.id} ({run.state}, origin {run.origin})"
        require(actor.kind in {"tick", "sync", "rollback"}, said)
        require(run.state == "queued" and run.attempt == 0 and run.origin in OCCURRENCES, said)
        self.queued.discard(run.id)
        run.job.unfinished.discard(run.id)
        assert run.fire_at is not None
        del run.job.rows[run.fire_at]
        if run.job.checked and run.fire_at <= run.job.checked:
            run.job.taken_back.add(run.fire_at)

    def _changed(
        self, actor: Actor, one: Entry, *, now: dt.datetime, elapsed: float, claimed: set[str]
    ) -> None:
        run = self.runs[one.id]
        require(run.job.id == one.job_id, f"run {run.id} of {run.job.id} went to {one.job_id}")
        before, after = run.state, one.state
        who = f"{run.job.id}: {actor.kind} of {actor.owner}"
        said = f"{who} moved run {run.id} from {before} to {after} at {now:%F %T}"
        require(before not in FINAL or before == after, said)
        if (before, after) == ("queued", "running"):
            self._claim(actor, run, one, said, now=now, elapsed=elapsed)
        elif before == "queued" and after in FINAL:
            self._settle(actor, run, one, said, now=now, claimed=claimed)
        elif before == "running" and after != before:
            self._end(actor, run, one, said, now=now, elapsed=elapsed)
        run.state, run.due_at, run.attempt = after, sure(one.due_at), one.attempt
        run.owner, run.generation, run.revision = one.owner, one.generation, one.revision
        run.pool, run.priority = one.pool, one.priority
        run.cancel, run.error_type, run.finished_at = (
            one.cancel_reason,
            one.error_type,
            instant(one.finished_at),
        )
        for group, here in ((self.queued, "queued"), (self.running, "running"), (run.job.running, "running")):
            (group.add if after == here else group.discard)(run.id)
        if after in FINAL:
            run.job.unfinished.discard(run.id)

    def _claim(
        self, actor: Actor, run: Run, one: Entry, said: str, *, now: dt.datetime, elapsed: float
    ) -> None:
        job = run.job
        require(actor.kind in {"claim", "attempt"} and one.owner == actor.owner, said)
        require(run.due_at <= now, f"{said}, but it is due at {run.due_at:%F %T}")
        require(
            one.attempt == run.attempt + 1 and one.generation == run.generation + 1, f"{said}: not counted"
        )
        require(one.attempt <= run.max_attempts, f"{said}: attempt {one.attempt} of {run.max_attempts}")
        if run.revision is None:
            require(int(one.revision or "0", 16) == self.registry.active, f"{said}: not the active revision")
        else:
            require(one.revision == run.revision, f"{said}: another revision than before")
        if run.origin in DROPPED or run.attempt:
            require(
                job.on and not job.removed and not job.rejected,
                f"{said}, but the job is off, gone or rejected",
            )
        if job.fields["overlap"] != "allow" and not run.force:
            require(not job.running, f"{said} beside {sorted(job.running)}")
        if not run.force:
            require(not self.paused_now(now), f"{said} during a pause")
            fresh = run.origin in DROPPED and run.attempt == 0
            require(not (fresh and self.paused(run.due_at)), f"{said}: it was due during a pause")
        if one.pool is not None:
            beside = [other for other in self.running if self.runs[other].pool == one.pool]
            size = POOLS.get(one.pool, 1)
            require(len(beside) < size, f"{said}: pool {one.pool} of {size} has {len(beside)} running")
        self._first(run, now, said)
        if why := overlap.may_not_start(run, self.runs, now):
            require(False, f"{said}, but {why}")
        run.beaten = elapsed

    def _first(self, run: Run, now: dt.datetime, said: str) -> None:
        """Raise Violation if a run of higher priority waited that nothing kept from starting."""
        if self.last_tick is None or now - self.last_tick > QUIET:
            return
        full = {pool for pool, size in POOLS.items() if self._in_pool(pool) >= size}
        for other in (self.runs[one] for one in self.queued):
            job = other.job
            free = not job.running and job.on and not job.removed and not job.rejected
            if other.priority > run.priority and other.due_at <= now and free and other.pool not in full:
                require(
                    other.attempt == 0 and self.paused_now(now),
                    f"{said} before {other.id}, which is first",
                )

    def _in_pool(self, pool: str) -> int:
        return sum(self.runs[one].pool == pool for one in self.running)

    def _settle(
        self, actor: Actor, run: Run, one: Entry, said: str, *, now: dt.datetime, claimed: set[str]
    ) -> None:
        """Judge a run that ends without being claimed."""
        job, reason, fresh = run.job, one.reason or "", run.origin in DROPPED and run.attempt == 0
        said = f"{said} ({reason or one.error})"
        require(
            not (one.state in {"skipped", "missed"} and not fresh), f"{said}: what was asked for was dropped"
        )
        if one.state == "cancelled":
            right = actor.kind == "cancel"
        elif one.state == "skipped":
            right = (
                overlap.was_busy(run, self.runs, reason, now)
                if reason.startswith("overlap")
                else self.paused_now(now) or self.paused(run.due_at)
                if reason.startswith("paused")
                else job.removed
                if "removed" in reason
                else not job.on
            )
        elif one.state == "missed":
            right = job.rejected or (
                actor.kind == "tick"
                and job.fields["catchup"] == "none"
                and now - run.due_at > ON_TIME
                and self.last_tick is not None
                and now - self.last_tick > QUIET
            )
        elif one.error_type == "superseded":
            allows = job.fields["overlap"] == "allow"
            right = run.scheduled and run.attempt > 0 and job.id in claimed and not allows
        else:
            gone = job.removed or job.rejected
            right = gone or not job.on if run.attempt else gone and run.revision is None
        require(right, f"{said}: without a right to")

    def _end(
        self, actor: Actor, run: Run, one: Entry, said: str, *, now: dt.datetime, elapsed: float
    ) -> None:
        """Judge an attempt's end."""
        if one.state == "queued" and one.attempt == run.attempt - 1:
            require(
                actor.owner == run.owner and run.attempt not in run.launched, f"{said}: not its to release"
            )
            return
        interrupted = True
        if actor.lease == (run.id, run.attempt, run.generation) and actor.owner == run.owner:
            interrupted = actor.outcome == "interrupted"
            if actor.outcome not in {None, "interrupted"}:
                allowed = {actor.outcome, *(("cancelled",) if run.cancel else ())}
                retried = one.state == "queued" and actor.outcome in {"failed", "timed_out"}
                require(one.state in allowed or retried, f"{said}: the attempt {actor.outcome}")
        else:
            require(
                actor.kind in {"watch", "upkeep", "start"},
                f"{said}: the lease is {run.owner}'s, generation {run.generation}",
            )
            still = elapsed - run.beaten
            require(
                run.owner in self.dead or still >= LEASE - 0.001,
                f"{said}: its lease was renewed {still:.0f} s ago",
            )
        more = run.attempt < run.max_attempts
        if one.state == "queued":
            require(more, f"{said}: {run.attempt} of {run.max_attempts} attempts were used")
            require(not run.cancel, f"{said}: it was cancelled")
            wait = (sure(one.due_at) - now).total_seconds()
            least = 0 if interrupted else min(3600, self._backoff(run) * 2 ** (run.attempt - 1))
            require(
                least - 0.001 <= wait <= least * 1.1 + 0.001, f"{said}: again in {wait:.0f} s, not {least} s"
            )
        elif interrupted or (actor.outcome in {"failed", "timed_out"}):
            require(not more or run.cancel, f"{said}: {run.max_attempts - run.attempt} attempts were left")

    def _backoff(self, run: Run) -> float:
        number = int(run.revision or "0", 16)
        fields = self._manifest_of(number).get(run.job.id) or self._manifest_of(number).get(
            run.job.fields["renamed_from"] or ""
        )
        return float((fields or {}).get("retry_backoff_seconds", 60))

    # What the launcher saw.

    def launched(self, run_id: str, attempt: int, generation: int, owner: str) -> None:
        """Note that an attempt is executed."""
        run = self.runs[run_id]
        said = f"{run.job.id}: {owner} executes run {run_id}, attempt {attempt}, generation {generation}"
        require(run.state == "running" and run.owner == owner, f"{said}, which is {run.state} of {run.owner}")
        require(
            (run.attempt, run.generation) == (attempt, generation),
            f"{said}, not {run.attempt}, {run.generation}",
        )
        require(attempt not in run.launched, f"{said} again")
        run.launched.add(attempt)
        require(len(run.launched) <= run.max_attempts, f"{said}: more than {run.max_attempts} times")


def _policy_fault(
    fields: Mapping[str, Any],
    late: list[dt.datetime],
    gaps: list[tuple[dt.datetime, dt.datetime]],
    now: dt.datetime,
    on_time: dt.timedelta,
) -> str | None:
    """Say what of the catch-up policy was not kept, or None."""
    policy = fields["catchup"]
    window = max(dt.timedelta(seconds=fields["catchup_window_seconds"]), on_time)
    window, most = (
        (on_time, fields["catchup_max"])
        if policy == "none"
        else (window, fields["catchup_max"] if policy == "all" else 1)
    )
    if len(late) > most:
        return f"{len(late)} were caught up, catchup={policy} allows {most}"
    if late and late[0] <= now - window:
        return f"{late[0]:%F %T} was caught up, older than {window}"
    if gaps and len(late) < most and gaps[-1][1] > now - window:
        return f"{gaps[-1][1]:%F %T} was missed, catchup={policy} runs it"
    return None
