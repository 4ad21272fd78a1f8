"""The workers of a runner: one dispatcher claims what is due, one thread executes each attempt.

The dispatcher sleeps until a second before the earliest due time, makes processes for what is due then, and
sleeps on until that time or a wake-up, so a run starts in milliseconds and an idle runner asks nothing.
A store that refuses is tried again; what it holds is not lost.
"""

from __future__ import annotations

import functools
import itertools
import threading
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.model.runs import Run
from chalicelib.store import registry
from chalicelib.store.queue import enqueue
from chalicelib.wakeup.vitals import Vitals
from chalicelib.wiring import Sauron

from .threads import Threads

log = logs.get(__name__)

LOOK_ANYWAY_SECONDS = 60.0
AHEAD = timedelta(seconds=1)  # before an instant, processes are made for the runs that are due at it
READY = 6  # so many at most for each free worker; together they take less memory than a small job of its own
FREE_FOR = timedelta(seconds=30)  # processes that nothing needed for so long end
STORE_PAUSE_SECONDS = 2.0
WATCH_SECONDS = 5.0
LOOKS_FOR_LAPSED = 3  # so many of them between two looks for leases that lapsed


class WorkerPool:
    """Claims and executes, at most `SAURON_WORKERS` attempts at once."""

    def __init__(self, sauron: Sauron, vitals: Vitals, threads: Threads) -> None:
        self._sauron = sauron
        self._clock = sauron.clock
        self._vitals = vitals
        self._stopping = threads.stopping
        self._claiming = threading.Event()
        self._draining = False
        self._attempts: set[threading.Thread] = set()
        self._beginning = threading.Lock()
        renew = functools.partial(sauron.worker.running_attempts.renew_leases, threads.stopping)
        self.threads = [
            threads.make("dispatcher", self._dispatch),
            threads.make("lease-renewer", renew),
            threads.make("watch", self._watch),
        ]

    def start(self) -> None:
        """Rescue what a dead runner of this machine left, then start every thread."""
        self._sauron.duties.rescue_gone()  # before the first claim: what a dead runner left is not running
        if self._sauron.settings.queue_enabled:
            self._claiming.set()
        for thread in self.threads:
            thread.start()

    @property
    def running(self) -> int:
        """How many attempts are running."""
        return len(self._sauron.worker.running_attempts)

    def finish(self, drain: timedelta) -> None:
        """Claim no more, give running attempts time to finish, then end them; return when all is recorded."""
        self._claiming.clear()
        deadline = self._clock.monotonic() + drain.total_seconds()
        for thread in self._begun():
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._sauron.worker.running_attempts.stop_all()
        self._sauron.revisions.stop_installing()
        for thread in self._begun():
            thread.join()

    def join(self) -> None:
        """Wait for the pool's own threads, which were told to stop."""
        self._sauron.worker.running_attempts.wake()
        self._sauron.waker.wake()
        for thread in self.threads:
            thread.join()

    def _begun(self) -> list[threading.Thread]:
        with self._beginning:
            return list(self._attempts)

    def _may_claim(self) -> bool:
        return self._claiming.is_set() and not self._draining and self._sauron.store.damage is None

    def _dispatch(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._vitals.looked()
            except SQLAlchemyError as error:  # a full disk, a locked file: it may pass
                self._vitals.claim_failed(error)
                log.error("claim.failed", reason=logs.reason(error))  # noqa: TRY400 - the reason is enough
                self._stopping.wait(STORE_PAUSE_SECONDS)

    def _look(self) -> None:
        """Claim a due run for every free worker, or sleep until there may be one."""
        sauron, wait = self._sauron, LOOK_ANYWAY_SECONDS
        free = sauron.settings.workers - len(self._attempts)
        if self._may_claim() and free > 0:
            # from before the claim: what falls due meanwhile is seen as past, and looked for at once
            now = self._clock.now()
            runs, decided = sauron.worker.claim(free)
            for run in runs:
                self._begin(run)
            if runs or decided:
                return
            with sauron.store.read() as tx:
                due, switched = enqueue.next_due(tx, now=now), registry.next_override_end(tx)
                soon = 0 if due is None else enqueue.due_until(tx, now=now, until=min(due, now + AHEAD))
            if soon:
                sauron.revisions.prepare(min(soon, free * READY))
            elif due is not None:
                due -= AHEAD
            if switched is not None and switched <= now:
                self._tick_now()
                return
            for instant in (due, switched):
                if instant is not None:
                    wait = min(wait, (instant - self._clock.now()).total_seconds())
        if sauron.peers.wait(wait):
            sauron.worker.running_attempts.check_cancellations()
        self._draining = sauron.membership.draining()

    def _tick_now(self) -> None:
        """Tick because an override has ended; a tick that fails is tried again in a moment."""
        try:
            self._sauron.duties.tick()
        except Exception:
            log.exception("tick.failed")
            self._stopping.wait(STORE_PAUSE_SECONDS)

    def _watch(self) -> None:
        """Rescue what dead or silent runners held, and keep the write-ahead log short.

        A runner that died on this machine is seen at once, by its free lock; a lease that lapsed elsewhere is
        looked for every `LOOKS_FOR_LAPSED` looks.
        """
        for look in itertools.count(1):
            if self._stopping.wait(WATCH_SECONDS):
                return
            try:
                if self._sauron.peers.any_gone():
                    self._sauron.duties.rescue_gone()
                if look % LOOKS_FOR_LAPSED == 0:
                    self._sauron.duties.rescue_dead(self._stopping.wait)
                self._sauron.store.checkpoint()
                self._sauron.revisions.rest(FREE_FOR)
            except SQLAlchemyError as error:
                log.error("rescue.failed", reason=logs.reason(error))  # noqa: TRY400 - the reason is enough

    def _begin(self, run: Run) -> None:
        if not self._claiming.is_set():
            self._sauron.worker.release(run)
            return
        thread = threading.Thread(target=self._execute, args=(run,), name=f"run-{run.id}", daemon=True)
        with self._beginning:
            self._attempts.add(thread)
            thread.start()

    def _execute(self, run: Run) -> None:
        following: Run | None = run
        try:
            while following is not None:
                following = self._sauron.worker.execute(following, claim_next=self._may_claim)
        finally:
            self._attempts.discard(threading.current_thread())
            self._sauron.peers.wake_self()
