"""The attempts under way in this process: renew their leases, store their logs, stop them.

While a job runs, nothing on its way waits for the store: its output is kept in memory, bounded, and stored
once a second. An attempt whose lease was taken over is stopped, and so is one whose run was cancelled. If the
store refuses, the lease renewer tries again a second later; nothing is lost that memory can hold.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.runs import Run
from chalicelib.store import Store
from chalicelib.store.queue import leases

from .log_buffer import AttemptLog
from .running_attempt import Attempt, RunningAttempt
from .verdict import RUNNER_STOPPED, TAKEN_OVER

log = logs.get(__name__)

HEARTBEAT_SECONDS = 10.0
FLUSH_SECONDS = 1.0
IDLE_SECONDS = 60.0


class RunningAttempts:
    """All attempts of one owner. Safe to use from several threads."""

    def __init__(self, store: Store, clock: Clock, *, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        # by run and generation: a run may be claimed again beside its lost attempt
        self._by_lease: dict[tuple[str, int], RunningAttempt] = {}
        self._stopping = False
        self._lock = threading.Condition(threading.Lock())

    def __len__(self) -> int:
        return len(self._by_lease)

    def begin(self, run: Run) -> RunningAttempt:
        """Note that an attempt of a claimed run begins."""
        begun = RunningAttempt(run, AttemptLog(run.id, run.attempt), began=self._clock.monotonic())
        with self._lock:
            earlier = [one for one in self._by_lease.values() if one.run.id == run.id]
            begun.stopped = RUNNER_STOPPED if self._stopping else None
            self._by_lease[run.id, run.lease_generation] = begun
            self._lock.notify_all()
        for one in earlier:
            self._stop(one, TAKEN_OVER)
        return begun

    def holds(self, run_id: str) -> bool:
        """Say whether an attempt of this run is under way in this process."""
        with self._lock:
            return any(one.run.id == run_id for one in self._by_lease.values())

    def started(self, running: RunningAttempt, attempt: Attempt) -> None:
        """Note the attempt's processes, and end them at once if it was stopped meanwhile."""
        with self._lock:
            running.attempt = attempt
            stopped = running.stopped
        if stopped:
            attempt.stop(stopped)

    def end(self, ended: RunningAttempt) -> None:
        """Forget an attempt whose end is recorded."""
        with self._lock:
            del self._by_lease[ended.run.id, ended.run.lease_generation]

    def renew_leases(self, stopping: threading.Event) -> None:
        """Renew leases and flush logs until `stopping` is set; sleep while nothing runs."""
        renewed = self._clock.monotonic()
        while not stopping.is_set():
            if not self._by_lease:
                self.wait_for_one(stopping)
                renewed = self._clock.monotonic()
                continue
            stopping.wait(FLUSH_SECONDS)
            try:
                self.flush()
                if self._clock.monotonic() - renewed >= HEARTBEAT_SECONDS:
                    self.heartbeat()
                    renewed = self._clock.monotonic()
            except SQLAlchemyError as error:
                log.error("lease.renewal_failed", reason=logs.reason(error))  # noqa: TRY400 - the reason is enough

    def wait_for_one(self, stopping: threading.Event) -> bool:
        """Wait for an attempt to be under way, at most a minute or until `stopping`; say whether one is."""
        with self._lock:
            self._lock.wait_for(lambda: self._by_lease or stopping.is_set(), IDLE_SECONDS)
            return bool(self._by_lease)

    def wake(self) -> None:
        """Let those who wait for an attempt see that `stopping` was set."""
        with self._lock:
            self._lock.notify_all()

    def flush(self) -> None:
        """Store the output and the progress of running attempts."""
        dirty = [
            (one, one.progress)
            for one in self.under_way()
            if one.log.dirty or one.progress != one.stored_progress
        ]
        if not dirty:
            return
        with contextlib.ExitStack() as flushing:
            for one, _ in dirty:
                flushing.enter_context(one.log.flushing)
            with self._store.write() as tx:
                for one, progress in dirty:
                    one.log.flush(tx, now=self._clock.now())
                    if progress and progress != one.stored_progress:
                        fraction, note = progress
                        leases.note_progress(
                            tx,
                            one.run,
                            owner=self._owner,
                            fraction=fraction,
                            note=note,
                            now=self._clock.now(),
                        )
            for one, progress in dirty:
                one.stored_progress = progress
                one.log.settled()

    def heartbeat(self) -> None:
        """Renew every lease, and stop the attempts whose lease is lost or whose run is cancelled."""
        renewing = self.under_way()
        with self._store.write() as tx:
            held = leases.heartbeat(
                tx, [one.run.id for one in renewing], owner=self._owner, now=self._clock.now()
            )
        self._act_on(renewing, held, missing_too=True)

    def check_cancellations(self) -> None:
        """Stop attempts whose run was cancelled. Called on every wake-up; no query while nothing runs."""
        if running := self.under_way():
            with self._store.read() as tx:
                held = leases.running(tx, owner=self._owner)
            self._act_on(running, held, missing_too=False)

    def stop_all(self) -> None:
        """End every attempt, also those that begin later. They are recorded as interrupted."""
        with self._lock:
            self._stopping = True
        for one in self.under_way():
            self._stop(one, RUNNER_STOPPED)

    def under_way(self) -> list[RunningAttempt]:
        """Return the attempts that have begun and whose end is not recorded."""
        with self._lock:
            return list(self._by_lease.values())

    def _act_on(
        self, asked: Sequence[RunningAttempt], held: Sequence[leases.Lease], *, missing_too: bool
    ) -> None:
        """Stop those of the attempts that were asked about: others may have begun since."""
        by_run = {lease.run_id: lease for lease in held}
        for one in asked:
            lease = by_run.get(one.run.id)
            if lease is None or lease.generation != one.run.lease_generation:
                if missing_too:
                    self._stop(one, TAKEN_OVER)
            elif lease.cancel_reason:
                self._stop(one, lease.cancel_reason)

    def _stop(self, running: RunningAttempt, reason: str) -> None:
        with self._lock:
            if running.stopped:
                return
            running.stopped = reason
            attempt = running.attempt
        if attempt:
            attempt.stop(reason)
