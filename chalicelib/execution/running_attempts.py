"""The attempts under way in this process: their leases are renewed, their logs flushed, and they are stopped from here.

While a job runs, nothing on its way waits for the store: what it writes is kept in memory, bounded, and moved
once a second. An attempt whose lease was taken over is stopped, and so is one that somebody cancelled. If the
store refuses, the renewer tries again a second later; nothing is lost that memory can hold.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.runs import Run
from chalicelib.store import Store
from chalicelib.store.queue import leases

from .log_buffer import AttemptLog
from .verdict import Ending

log = logs.get(__name__)

BEAT_SECONDS = 10.0
FLUSH_SECONDS = 1.0
IDLE_SECONDS = 60.0
INTERRUPTED = "its runner was stopped"
TAKEN_OVER = "its lease was taken over"
NOT_THE_JOBS_DOING = frozenset({INTERRUPTED, TAKEN_OVER})  # why an attempt was stopped that is tried again


class Attempt(Protocol):
    """One attempt's processes."""

    def watch(
        self,
        *,
        timeout: Any,
        on_output: Callable[[bytes], None],
        on_progress: Callable[[float, str], None],
        on_state: Callable[[str, str | None, Any], Any],
    ) -> Ending:
        """Block until the attempt is over and return how it ended."""

    def stop(self, reason: str) -> None:
        """End the whole process tree, from any thread."""


@dataclass(slots=True)
class RunningAttempt:
    """An attempt under way. `stopped` is the reason once it was told to end, also before its processes exist."""

    run: Run
    log: AttemptLog
    attempt: Attempt | None = None
    stopped: str | None = None
    progress: tuple[float, str] | None = None


class RunningAttempts:
    """All attempts of one owner. Safe to use from several threads."""

    def __init__(self, store: Store, clock: Clock, *, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        # by run and generation: a run may be claimed again beside its lost attempt
        self._live: dict[tuple[str, int], RunningAttempt] = {}
        self._stopping = False
        self._lock = threading.Lock()
        self._changed = threading.Event()

    def __len__(self) -> int:
        return len(self._live)

    def begin(self, run: Run) -> RunningAttempt:
        """Take up a claimed run."""
        live = RunningAttempt(run, AttemptLog(run.id, run.attempt))
        with self._lock:
            earlier = [one for one in self._live.values() if one.run.id == run.id]
            live.stopped = INTERRUPTED if self._stopping else None
            self._live[run.id, run.lease_generation] = live
        for one in earlier:
            self._stop(one, TAKEN_OVER)
        self._changed.set()
        return live

    def holds(self, run_id: str) -> bool:
        """Say whether an attempt of this run is under way here."""
        with self._lock:
            return any(live.run.id == run_id for live in self._live.values())

    def started(self, live: RunningAttempt, attempt: Attempt) -> None:
        """Note the attempt's processes; one that was stopped meanwhile is ended at once."""
        with self._lock:
            live.attempt = attempt
            stopped = live.stopped
        if stopped:
            attempt.stop(stopped)

    def end(self, live: RunningAttempt) -> None:
        """Let go of an attempt whose end is recorded."""
        with self._lock:
            del self._live[live.run.id, live.run.lease_generation]

    def renew_leases(self, stopping: threading.Event) -> None:
        """Renew leases and flush logs until told to stop; sleeps while nothing runs."""
        beaten = self._clock.monotonic()
        while not stopping.is_set():
            if not self._live:
                self._changed.wait(IDLE_SECONDS)
                self._changed.clear()
                beaten = self._clock.monotonic()
                continue
            stopping.wait(FLUSH_SECONDS)
            try:
                self.flush()
                if self._clock.monotonic() - beaten >= BEAT_SECONDS:
                    self.beat()
                    beaten = self._clock.monotonic()
            except SQLAlchemyError as error:
                log.error("lease.renewal_failed", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough

    def wake(self) -> None:
        """Let `keep` look at once, so that it ends soon after it was told to."""
        self._changed.set()

    def flush(self) -> None:
        """Store what running attempts wrote and how far they say they are."""
        dirty = [live for live in self._all() if live.log.dirty or live.progress]
        if not dirty:
            return
        with contextlib.ExitStack() as flushing:
            for live in dirty:
                flushing.enter_context(live.log.flushing)
            with self._store.write() as tx:
                for live in dirty:
                    live.log.flush(tx, now=self._clock.now())
                    if live.progress:
                        (fraction, note), live.progress = live.progress, None
                        leases.note_progress(tx, live.run, owner=self._owner, fraction=fraction, note=note)
            for live in dirty:
                live.log.settled()

    def beat(self) -> None:
        """Renew every lease and act on what the store says of them."""
        beating = self._all()
        with self._store.write() as tx:
            held = leases.beat(
                tx, [live.run.id for live in beating], owner=self._owner, now=self._clock.now()
            )
        self._act_on(beating, held, missing_too=True)

    def check_cancellations(self) -> None:
        """Look whether running attempts shall be stopped: called at a wake-up, costs nothing while none runs."""
        if running := self._all():
            with self._store.read() as tx:
                held = leases.running(tx, owner=self._owner)
            self._act_on(running, held, missing_too=False)

    def stop_all(self) -> None:
        """End every attempt, also those that are still to begin: they are recorded as interrupted."""
        with self._lock:
            self._stopping = True
        for live in self._all():
            self._stop(live, INTERRUPTED)

    def _all(self) -> list[RunningAttempt]:
        with self._lock:
            return list(self._live.values())

    def _act_on(
        self, asked: Sequence[RunningAttempt], held: Sequence[leases.Lease], *, missing_too: bool
    ) -> None:
        """Stop what is to be stopped of the attempts that were asked about: others may have begun since."""
        by_run = {lease.run_id: lease for lease in held}
        for live in asked:
            lease = by_run.get(live.run.id)
            if lease is None or lease.generation != live.run.lease_generation:
                if missing_too:
                    self._stop(live, TAKEN_OVER)
            elif lease.cancel_reason:
                self._stop(live, lease.cancel_reason)

    def _stop(self, live: RunningAttempt, reason: str) -> None:
        with self._lock:
            if live.stopped:
                return
            live.stopped = reason
            attempt = live.attempt
        if attempt:
            attempt.stop(reason)
