"""The worker: claim runs, and execute a claimed run as one attempt.

The job runs in a process of its own, which the worker's thread watches; `running_attempts` renews its lease.
`finishing` records how it ended and claims the next run.

A COMMIT that got no reply may have been made. A claim without a reply is released at the next chance, so that
it costs the run no attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock, iso
from chalicelib.errors import BundleError
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run, RunState, Verdict
from chalicelib.store import Store, bundle, job_state, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims, finish
from chalicelib.store.queue.finish import Ended
from chalicelib.store.queue.unconfirmed_claims import UnconfirmedClaims

from .finishing import Finisher
from .running_attempt import Attempt, RunningAttempt
from .running_attempts import RunningAttempts
from .usage_meter import UsageMeter
from .verdict import internal_error, judge, not_started

log = logs.get(__name__)

SPECS_KEPT = 1000
DECIDED_EVENTS = {
    RunState.SKIPPED: "run.skipped",
    RunState.MISSED: "run.missed",
    RunState.FAILED: "run.failed_before_start",
}


class Launcher(Protocol):
    """Starts attempts. Raises BundleError if the revision cannot be loaded or a secret is missing."""

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt."""


Answers = Callable[[str, str | None, Any], Any]
"""Serves what a builtin job asks of Sauron: (job id, question, value). Raises for other jobs."""


def _no_answers(job_id: str, _question: str | None, _value: Any) -> Any:
    raise PermissionError(f"this process does not serve what {job_id!r} asks for")


class Worker:
    """Claims and executes runs under one owner name. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        launcher: Launcher,
        *,
        owner: str,
        publish: bool = False,
        on_end: Callable[[str], None] = lambda _job_id: None,
        on_claim: Callable[[], None] = lambda: None,
        answers: Answers = _no_answers,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """Work under a name. With `publish`, every attempt's end is copied to Life Hub.

        `on_end` is given the job id of every attempt that has ended. `on_claim` is called after each claim
        that the store answered. `wait` is given the seconds between two tries to record an end.
        """
        self._store = store
        self._clock = clock
        self._launcher = launcher
        self._owner = owner
        self._on_end = on_end
        self._on_claim = on_claim
        self._answers = answers
        self.running_attempts = RunningAttempts(store, clock, owner=owner)
        self.usage_meter = UsageMeter(store, clock, self.running_attempts, owner=owner)
        self._specs: dict[tuple[str, str], JobSpec | None] = {}
        self._unconfirmed = UnconfirmedClaims(owner, clock)
        self._finisher = Finisher(
            store, clock, owner=owner, publish=publish, unconfirmed=self._unconfirmed, wait=wait
        )

    def claim(self, most: int) -> tuple[list[Run], bool]:
        """Take up to `most` runs that are due, in the order of `eligible`.

        The second value says whether any run was decided about, so that asking again may find more.
        """
        begun: list[datetime] = []

        def take(tx: Tx) -> list[claims.Claim]:
            self._unconfirmed.release(tx)
            now = self._clock.now()
            begun.append(now)
            taken: list[claims.Claim] = []
            while len(taken) < most and (not taken or taken[-1].run):
                taken.append(claims.claim(tx, owner=self._owner, now=now))
            return taken

        try:
            taken = self._store.writing(take)
        except SQLAlchemyError:
            for instant in begun:
                self._unconfirmed.note(instant)
            raise
        self._on_claim()
        for claim in taken:
            self._report(claim)
        return [claim.run for claim in taken if claim.run], any(claim.decided for claim in taken)

    def _report(self, claim: claims.Claim) -> None:
        """Log what a claim decided, and stop attempts here that it cancelled."""
        for one in claim.decided:
            log.info(DECIDED_EVENTS[one.state], run_id=one.run_id, job_id=one.job_id, reason=one.reason)
            self._on_end(one.job_id)
        if claim.cancelled:
            try:
                self.running_attempts.check_cancellations()
            except SQLAlchemyError as error:  # the next heartbeat finds the cancellation
                log.error("cancellation.check_failed", reason=logs.reason(error))  # noqa: TRY400 - the reason is enough

    def release(self, run: Run) -> None:
        """Release a claimed run whose attempt was not started."""
        with self._store.write() as tx:
            finish.release(tx, run, owner=self._owner)

    def execute(
        self,
        run: Run,
        *,
        claim_next: Callable[[], bool] = lambda: False,
        left: Callable[[], timedelta] | None = None,
    ) -> Run | None:
        """Run one attempt of a claimed run to its end and record it; it times out when nothing is `left`.

        If `claim_next` says so, the next due run is claimed in the transaction that records the end, and
        returned.
        """
        running = self.running_attempts.begin(run)
        spec: JobSpec | None = None
        try:
            spec = self._spec(run)
            verdict = self._attempt(running, spec, left)
        except BundleError as error:
            verdict = not_started(error, stopped=running.stopped)
        except Exception as error:  # whatever went wrong here, the run must not stay running
            log.exception("attempt.internal_error", run_id=run.id)
            verdict = internal_error(error)
        ended = self._finisher.finish(running, spec, verdict, claim_next=claim_next)
        self.running_attempts.end(running)
        self._tell(run, verdict, ended)
        return ended.claim.run

    def _attempt(
        self, running: RunningAttempt, spec: JobSpec, left: Callable[[], timedelta] | None
    ) -> Verdict:
        run = running.run
        attempt = self._launcher.start(run, spec)
        self.running_attempts.started(running, attempt)
        # fetching and loading took of it, too
        timeout = spec.timeout if left is None else min(spec.timeout, left())
        facts = attempt.watch(
            timeout=timeout,
            on_output=running.log.write,
            on_progress=lambda fraction, note: setattr(running, "progress", (fraction, note)),
            on_state=lambda act, key, value: self.job_state(run.job_id, act, key, value),
        )
        return judge(facts, timeout=timeout)

    def _tell(self, run: Run, verdict: Verdict, ended: Ended) -> None:
        log.info(
            "run.finished" if ended.recorded else "run.taken_over",
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            outcome=verdict.outcome,
            error_type=verdict.error_type,
            retry_at=ended.retry_at and iso(ended.retry_at),
        )
        self._on_end(run.job_id)
        if ended.claim.run:
            self._on_claim()
        self._report(ended.claim)

    def _spec(self, run: Run) -> JobSpec:
        """Return the definition that the run's revision holds. Raises BundleError if it holds none."""
        key = (run.revision or "", run.job_id)
        if key not in self._specs:
            if len(self._specs) >= SPECS_KEPT:
                self._specs.clear()
            with self._store.read() as tx:
                self._specs[key] = _definition(tx, run)
        spec = self._specs[key]
        if spec is None:
            revision = (run.revision or "none")[:12]
            raise BundleError(
                f"Job {run.job_id!r} is not in revision {revision}, which this run is bound to."
            )
        return spec

    def job_state(self, job_id: str, act: str, key: str | None, value: Any) -> Any:
        """Serve a job's durable state (get, set, delete, keys) and a builtin job's questions (sauron)."""
        if act == "sauron":
            return self._answers(job_id, key, value)
        if act == "keys" or key is None:
            with self._store.read() as tx:
                return job_state.keys(tx, job_id)
        if act == "get":
            with self._store.read() as tx:
                return job_state.get(tx, job_id, key)
        with self._store.write() as tx:
            if act == "delete":
                job_state.remove(tx, job_id, key)
            else:
                job_state.put(tx, job_id, key, value, now=self._clock.now())
        return None


def _definition(tx: Tx, run: Run) -> JobSpec | None:
    """Return what the run's revision defines under the job's id, or under the id the job had there."""
    job = registry.job(tx, run.job_id)
    if job is not None and job.revision == run.revision:
        return job.spec
    if run.revision is None:
        return None
    known = [run.job_id, *([job.spec.renamed_from] if job and job.spec.renamed_from else [])]
    return next((spec for job_id in known if (spec := bundle.spec(tx, run.revision, job_id))), None)
