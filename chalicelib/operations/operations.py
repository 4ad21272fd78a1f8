"""What a person or the assistant may do to jobs, runs and runners: trigger, switch, cancel, retry, drain.

Each is one transaction that is durable when the call returns: an acknowledged trigger is never lost.
Repeating a call is harmless where a key or a state says that it was done already. No value of a long secret
is stored: a reason is masked, params that hold one are refused. A short one is treated as any other text,
since an answer that differs would tell who tries that a guess was right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import logs
from chalicelib.clock import Clock, iso
from chalicelib.errors import (
    IdempotencyError,
    ParamsError,
    PausedError,
    RunStateError,
    UnknownRunnerError,
)
from chalicelib.model.jobs import Job, Override
from chalicelib.model.runs import FINAL, Origin, Run
from chalicelib.store import Store, history, ledger, outbox, registry, runners, standings
from chalicelib.store.database import Tx
from chalicelib.store.queue import chains, enqueue, finish, pauses
from chalicelib.store.queue.pauses import Pause
from sauron_jobs_loader.masking import Masker

from . import acts
from .requests import AskModel, check_params, check_until, find_job, new_row, no_model, require_on

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """A run that somebody asks for. `force` runs it beside others of its job; `by` is who asks.

    Jobs that follow run after it, unless `chain` is false. The same `idempotency_key` for the same job
    returns the run that it made before.
    """

    params: Mapping[str, Any] | None = None
    reason: str | None = None
    force: bool = False
    idempotency_key: str | None = None
    by: str | None = None
    chain: bool = True


@dataclass(frozen=True, slots=True)
class SwitchRequest:
    """Who switches a job, why, and until when the switch holds (None: until the next)."""

    reason: str | None = None
    until: datetime | None = None
    by: str | None = None


class Operations:
    """The operator's acts on one store. Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        masker: Callable[[], Masker] = lambda: Masker(()),
        wake: Callable[[], None] = lambda: None,
        review: Callable[[Collection[str]], object] = lambda _jobs: None,
        ask_model: AskModel = no_model,
    ) -> None:
        """Act on `store`. `masker` returns what masks secrets in requests now.

        `wake` is called after what workers are to see, `review` with jobs whose incidents may have ended.
        `ask_model` asks the model of a job's params in its bundle's own process.
        """
        self._store = store
        self._clock = clock
        self._masker = masker
        self._wake = wake
        self._review = review
        self._ask_model = ask_model

    def trigger(self, job_id: str, request: TriggerRequest | None = None) -> Run:
        """Queue a run of a job now and return it.

        Raises UnknownJobError, JobDisabledError (also for a rejected definition), ParamsError,
        IdempotencyError, PausedError.
        """
        request = request or TriggerRequest()
        self._refuse_secrets(job_id, request)
        run = self._trigger(job_id, request)
        self._wake()
        return run

    def check_trigger(self, job_id: str, request: TriggerRequest) -> Job:
        """Return the job that a trigger would run. Raises what the trigger would raise; changes nothing."""
        self._refuse_secrets(job_id, request)
        with self._store.read() as tx:
            job = find_job(tx, job_id)
            require_on(job)
            self._refuse_paused(tx, force=request.force)
        check_params(job, request.params, ask_model=self._ask_model)
        return job

    def _refuse_secrets(self, job_id: str, request: TriggerRequest) -> None:
        if request.params is not None and self._masker().value(request.params) != request.params:
            log.warning("params.refused", job_id=job_id, by=request.by)
            why = "they hold the value of a secret, which would be stored; declare it in the job's `secrets`"
            raise ParamsError(job_id, [why])

    def _trigger(self, job_id: str, request: TriggerRequest) -> Run:
        key = request.idempotency_key
        with self._store.read() as tx:
            job = find_job(tx, job_id)
            known = history.by_idempotency_key(tx, job_id, key) if key is not None else None
            if known is not None:
                return _same_request(known, request)
            require_on(job)
            self._refuse_paused(tx, force=request.force)
        check_params(job, request.params, ask_model=self._ask_model)
        row = new_row(
            job.spec,
            self._clock.now(),
            origin=Origin.TRIGGER,
            params=request.params,
            by=request.by,
            reason=self._masked(request.reason),
        )
        row |= {"force": request.force, "idempotency_key": key, "flows": request.chain}
        with self._store.write() as tx:
            made = enqueue.put_requested(tx, row)
            if made.id != row["id"]:  # somebody with the same key was faster
                return _same_request(made, request)
            acts.record(tx, self._clock.now(), run=made.id)
        log.info("run.requested", job_id=job_id, run_id=made.id, by=request.by)
        return made

    def pause(self, request: SwitchRequest) -> Pause:
        """Let nothing start until the pause ends; it takes the place of an earlier one. Raises UntilError."""
        with self._store.write() as tx:
            now = self._clock.now()
            check_until(request.until, now)
            pause = Pause(now, request.until, request.by, self._masked(request.reason))
            pauses.begin(tx, pause)
            acts.record(tx, now, until=pause.until and iso(pause.until))
        log.info("pause.started", by=pause.by, reason=pause.reason, until=pause.until and iso(pause.until))
        self._wake()
        return pause

    def unpause(self, *, by: str | None = None) -> bool:
        """Let runs start again; return whether there was a pause."""
        with self._store.write() as tx:
            now = self._clock.now()
            ended = pauses.end(tx, now=now)
            acts.record(tx, now, ended=ended)
        log.info("pause.ended", by=by, was_paused=ended)
        self._wake()
        return ended

    def _refuse_paused(self, tx: Tx, *, force: bool = False) -> None:
        """Raise PausedError while everything is paused, unless the run is forced."""
        pause = pauses.in_force(tx, self._clock.now())
        if pause is not None and not force:
            raise PausedError(pause.by, pause.reason, iso(pause.until) if pause.until else None)

    def enable(self, job_id: str, request: SwitchRequest | None = None) -> Job:
        """Turn a job on at once, over what git says. Raises UnknownJobError, UntilError."""
        return self._switch(job_id, request or SwitchRequest(), enabled=True)

    def disable(self, job_id: str, request: SwitchRequest | None = None) -> Job:
        """Turn a job off at once, over what git says. Raises UnknownJobError, UntilError."""
        return self._switch(job_id, request or SwitchRequest(), enabled=False)

    def _switch(self, job_id: str, request: SwitchRequest, *, enabled: bool) -> Job:
        reason, until, by = self._masked(request.reason), request.until, request.by
        with self._store.write() as tx:
            now = ledger.time_of_act(tx, self._clock)
            check_until(until, now)
            job = find_job(tx, job_id)
            registry.set_override(tx, job_id, Override(enabled, reason, by, now, until))
            ledger.switch(tx, job, enabled=enabled, at=now, now=now)
            outbox.put_job(tx, job_id, now=now)
            before, job = job, find_job(tx, job_id)
            standings.note(tx, before, job, at=now)
            acts.record(tx, now, until=until and iso(until))
        log.info(
            "job.switched", job_id=job_id, enabled=enabled, by=by, reason=reason, until=until and iso(until)
        )
        self._review([job_id])
        self._wake()
        return job

    def cancel(self, run_id: str, *, by: str | None = None) -> Run:
        """End a queued run, or have a running one's process tree killed.

        Raises UnknownRunError, AmbiguousRunError, RunStateError.
        """
        why = f"cancelled by {by}" if by else "cancelled"
        with self._store.write() as tx:
            run = history.find(tx, run_id)
            before = finish.request_cancel(tx, run.id, why=why, now=self._clock.now())
            if before is None:
                raise RunStateError(run.id, run.state, "cancelled")
            acts.record(tx, self._clock.now(), run=run.id, was=before)
            run = history.find(tx, run.id)
        log.info("run.cancel_requested", job_id=run.job_id, run_id=run.id, by=by)
        self._review([run.job_id])
        self._wake()
        return run

    def retry(
        self,
        run_id: str,
        *,
        by: str | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Run:
        """Queue a new run with the params of one that is over; the same key again returns that new run.

        With `force` it starts beside others and while everything is paused. Raises UnknownRunError,
        AmbiguousRunError, RunStateError, JobDisabledError (also for a rejected definition), PausedError.
        """
        with self._store.read() as tx:
            _retryable(tx, run_id)
            self._refuse_paused(tx, force=force)
        with self._store.write() as tx:
            former, job = _retryable(tx, run_id)
            key = idempotency_key
            if key is not None and (known := history.by_idempotency_key(tx, job.id, key)) is not None:
                return _made_before(known)
            row = new_row(
                job.spec,
                self._clock.now(),
                origin=Origin.RETRY,
                params=former.params,
                by=by,
                reason=f"retry of {former.id}",
            )
            follows = former.chain_at is not None or chains.children(tx, job.id)
            row |= {"force": force, "chain_at": former.scheduled_for if follows else None}
            row |= {"parents": former.parents, "idempotency_key": key}
            made = enqueue.put_requested(tx, row)
            if made.id != row["id"]:  # somebody with the same key was faster
                return _made_before(made)
            acts.record(tx, self._clock.now(), run=made.id)
        log.info("run.requested", job_id=made.job_id, run_id=made.id, by=by, retry_of=former.id)
        self._wake()
        return made

    def check_retry(self, run_id: str) -> Run:
        """Return the run that a retry would repeat. Raises what the retry would raise; changes nothing."""
        with self._store.read() as tx:
            former = _retryable(tx, run_id)[0]
            self._refuse_paused(tx)
        return former

    def drain(self, name: str, *, draining: bool) -> None:
        """Have a runner claim nothing more, or claim again. Raises UnknownRunnerError."""
        with self._store.write() as tx:
            if not runners.drain(tx, name, draining=draining):
                raise UnknownRunnerError(name, [runner.name for runner in runners.all_runners(tx)])
            acts.record(tx, self._clock.now())
        log.info("runner.drain_started" if draining else "runner.resumed", runner=name)
        self._wake()

    def _masked(self, words: str | None) -> str | None:
        return None if words is None else self._masker().text(words)


def _same_request(known: Run, request: TriggerRequest) -> Run:
    """Return the run that a key made before. Raises IdempotencyError if it was for another request."""
    params = dict(request.params) if request.params else None
    if (known.params or None, known.force) != (params, request.force):
        raise IdempotencyError(str(request.idempotency_key))
    return _made_before(known)


def _made_before(known: Run) -> Run:
    acts.led_to(run=known.id, made_before=True)
    return known


def _retryable(tx: Tx, run_id: str) -> tuple[Run, Job]:
    """Return a run that is over, and its job. Raises what `Operations.retry` raises."""
    former = history.find(tx, run_id)
    if former.state not in FINAL:
        raise RunStateError(former.id, former.state, "retried")
    job = find_job(tx, former.job_id)
    require_on(job)
    return former, job
