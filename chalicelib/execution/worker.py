"""The work: execute a claimed run as one attempt and record how it ended.

The job runs in a process of its own, watched from here; `live` keeps its lease. The end is written with a
compare-and-set on the lease: a worker whose lease was taken over records nothing. If the store cannot be
written at an attempt's end, the end is kept in memory and tried again.

A commit whose answer was lost may have been made. An end is looked for before it is written again; a claim
that was not answered is released, so that it costs no attempt.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock, iso
from chalicelib.errors import BundleError
from chalicelib.model.backoff import retry_delay
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import FAILURES, Outcome, Run, Verdict
from chalicelib.store import Store, bundle, job_state, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims, finish, turn
from chalicelib.store.queue.unconfirmed_claims import UnconfirmedClaims

from .running_attempts import INTERRUPTED, NOT_THE_JOBS_DOING, Attempt, RunningAttempt, RunningAttempts
from .verdict import Ending, judge

log = logs.get(__name__)

BACKOFF = timedelta(minutes=1)  # of a run whose definition could not be read
SPECS_KEPT = 1000


class Launcher(Protocol):
    """Starts attempts. Raises BundleError when the revision cannot be brought up, or a required secret is missing."""

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start the processes of an attempt."""


Answers = Callable[[str, str | None, Any], Any]
"""Answers what a builtin job asks of Sauron: (job id, what, value). Raises for other jobs."""


def _no_answers(job_id: str, _what: str | None, _value: Any) -> Any:
    raise PermissionError(f"nobody here answers what {job_id!r} asks")


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
        answers: Answers = _no_answers,
    ) -> None:
        """Work under a name. `publish`: every attempt's end is copied out; `on_end` is told the job whose attempt has ended."""
        self._store = store
        self._clock = clock
        self._launcher = launcher
        self._owner = owner
        self._publish = publish
        self._on_end = on_end
        self._answers = answers
        self.running_attempts = RunningAttempts(store, clock, owner=owner)
        self._specs: dict[tuple[str, str], JobSpec | None] = {}
        self._unconfirmed = UnconfirmedClaims(owner)

    def claim(self, most: int) -> tuple[list[Run], bool]:
        """Take up to `most` runs, those due longest first; also say whether anything was decided, so that asking again pays."""
        now = self._clock.now()

        def take(tx: Tx) -> list[claims.Claim]:
            nonlocal now
            self._unconfirmed.release(tx)
            taken: list[claims.Claim] = []
            now = self._clock.now()
            while len(taken) < most and (not taken or taken[-1].run):
                taken.append(claims.claim(tx, owner=self._owner, now=now))
            return taken

        try:
            taken = self._store.writing(take)
        except SQLAlchemyError:
            self._unconfirmed.note(now)
            raise
        for claim in taken:
            self._report(claim)
        return [claim.run for claim in taken if claim.run], any(claim.decided for claim in taken)

    def _report(self, claim: claims.Claim) -> claims.Claim:
        for one in claim.decided:
            log.info("run.decided", run_id=one.run_id, job_id=one.job_id, state=one.state, reason=one.reason)
        if claim.cancelled:
            try:
                self.running_attempts.check_cancellations()
            except SQLAlchemyError as error:  # the next beat tells it again
                log.error("cancellation.check_failed", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough
        return claim

    def release(self, run: Run) -> None:
        """Return a claimed run whose attempt was not started."""
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

        If `claim_next` says so, the next due run is claimed in the transaction that records the end, and answered.
        """
        live = self.running_attempts.begin(run)
        spec: JobSpec | None = None
        try:
            spec = self._spec(run)
            verdict = self._attempt(live, spec, left)
        except BundleError as error:
            if live.stopped == INTERRUPTED:
                verdict = Verdict(Outcome.INTERRUPTED, live.stopped, "interrupted")
            else:
                verdict = Verdict(Outcome.FAILED, str(error), "not_started")
        except Exception as error:  # whatever went wrong here, the run must not stay running
            log.exception("attempt.internal_error", run_id=run.id)
            verdict = Verdict(Outcome.FAILED, f"Sauron could not run the attempt: {error}", "internal")
        return self._record(live, spec, verdict, claim_next)

    def _attempt(self, live: RunningAttempt, spec: JobSpec, left: Callable[[], timedelta] | None) -> Verdict:
        run = live.run
        attempt = self._launcher.start(run, spec)
        self.running_attempts.started(live, attempt)
        # fetching and loading took of it, too
        timeout = spec.timeout if left is None else min(spec.timeout, left())
        ending = attempt.watch(
            timeout=timeout,
            on_output=live.log.write,
            on_progress=lambda fraction, note: setattr(live, "progress", (fraction, note)),
            on_state=lambda act, key, value: self.job_state(run.job_id, act, key, value),
        )
        return judge(ending, timeout=timeout, interrupted=NOT_THE_JOBS_DOING)

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
            raise BundleError(
                f"Job {run.job_id!r} is not in revision {(run.revision or 'none')[:12]}, which this run is bound to."
            )
        return spec

    def _record(
        self, live: RunningAttempt, spec: JobSpec | None, verdict: Verdict, claim_next: Callable[[], bool]
    ) -> Run | None:
        """Write the attempt's end; while the store refuses, keep it and try again."""
        run = live.run
        pause = threading.Event()
        live.log.close()
        tried: set[datetime] = set()
        again = (
            verdict.outcome in FAILURES or verdict.outcome is Outcome.INTERRUPTED
        ) and run.attempt < run.max_attempts
        for tries in itertools.count():
            now = self._clock.now()
            base = spec.retry_backoff if spec else BACKOFF
            delay = retry_delay(base, run.attempt, run.id) if verdict.outcome in FAILURES else None
            retry_at = (now + delay if delay else now) if again else None
            claim = tries == 0 and claim_next()
            try:
                with live.log.flushing:
                    kept, following = tries > 0 and self._ended_at(run) in tried, claims.Claim(None)
                    if not kept:
                        flush = functools.partial(live.log.flush, now=now) if live.log.dirty else None
                        end = turn.End(
                            run, spec, verdict, self._owner, now, retry_at, self._publish, live.log.newest
                        )
                        kept, following = turn.record(
                            self._store, end, flush=flush, claim=claim, on_unconfirmed=self._unconfirmed.note
                        )
                    live.log.settled()
                break
            except SQLAlchemyError as error:
                tried.add(now)
                if claim:
                    self._unconfirmed.note(now)
                if tries == 0:
                    log.error("run.finish_not_stored", run_id=run.id, reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough
                pause.wait(min(1 + tries, 10))
        self.running_attempts.end(live)
        log.info(
            "run.finished" if kept else "run.taken_over",
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            outcome=verdict.outcome,
            error_type=verdict.error_type,
            retry_at=retry_at and iso(retry_at),
        )
        self._on_end(run.job_id)
        return self._report(following).run

    def _ended_at(self, run: Run) -> datetime | None:
        with self._store.write() as tx:
            return finish.ended_at(tx, run)

    def job_state(self, job_id: str, act: str, key: str | None, value: Any) -> Any:
        """Serve a job's durable key-value store (get, set, delete or keys), and a builtin job's questions (sauron)."""
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


def run_direct(
    launcher: Launcher,
    run: Run,
    spec: JobSpec,
    *,
    on_output: Callable[[bytes], None],
    on_state: Callable[..., Any],
) -> Verdict:
    """Execute a job in the foreground, without queue or record. Ctrl-C ends its process tree and is raised again."""
    attempt = launcher.start(run, spec)
    ending: list[Ending] = []

    def watch() -> None:
        ending.append(
            attempt.watch(
                timeout=spec.timeout,
                on_output=on_output,
                on_progress=lambda _f, _n: None,
                on_state=functools.partial(on_state, run.job_id),
            )
        )

    thread = threading.Thread(target=watch, name="direct")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(60)
    except KeyboardInterrupt:
        attempt.stop("interrupted")
        thread.join()
        raise
    return judge(ending[0], timeout=spec.timeout, interrupted=NOT_THE_JOBS_DOING)
