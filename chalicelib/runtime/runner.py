"""The clock and the workers that stand in for EventBridge and SQS on one machine.

`start` reads the scheduled handlers of the Chalice app it is given, fires each by its own expression with the
event EventBridge would send, and runs the workers. The container and `chalice local` both start it. A handler
that raises is logged and fired again at its next time; a thread that ends by itself sets `failed`, and the
process is to end, so that it is started anew.
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
from chalicelib.aws.eventbridge import event, expression_of, next_fire
from chalicelib.clock import Clock
from chalicelib.model.liveness import is_stopped
from chalicelib.model.runs import Run
from chalicelib.store import registry
from chalicelib.store.queue import finish
from chalicelib.wiring import Sauron

from .background import BackgroundLoops

log = logs.get(__name__)

LOOK_ANYWAY_SECONDS = 60.0
STORE_PAUSE_SECONDS = 2.0
WATCH_SECONDS = 5.0
LOOKS_FOR_LAPSED = 3  # so many of them between two looks for leases that lapsed


class App(Protocol):
    """What is used of a Chalice application."""

    event_sources: list[Any]
    handler_map: dict[str, Any]


class Local:
    """The threads of one runner: a clock per scheduled handler, a dispatcher, a renewer of leases, one per attempt."""

    def __init__(self, app: App, sauron: Sauron) -> None:
        self._sauron = sauron
        self._clock: Clock = sauron.clock
        self._stopping = threading.Event()
        self._claiming = threading.Event()
        self._draining = False
        self._fired: dict[str, float] = {}
        self._looked = 0.0
        self._attempts: set[threading.Thread] = set()
        self._beginning = threading.Lock()
        self.failed = threading.Event()
        self._handlers = {
            source.name: (
                expression_of(source),
                functools.partial(self._call, app.handler_map[source.name], source.name),
            )
            for source in app.event_sources
            if type(source).__name__ == "ScheduledEventConfig"
        }
        self._clocks = [
            self._thread(f"clock-{name}", functools.partial(self._tell_time, name, expression, call))
            for name, (expression, call) in self._handlers.items()
        ]
        self._workers = [
            self._thread("dispatcher", self._dispatch),
            self._thread(
                "lease-renewer",
                functools.partial(sauron.worker.running_attempts.renew_leases, self._stopping),
            ),
            self._thread("watch", self._watch),
        ]
        self._errands = BackgroundLoops(sauron, self._stopping)
        self._beside = [self._thread(name, loop) for name, loop in self._errands.loops.items()]
        if sauron.notifier is not None:
            listen = functools.partial(sauron.notifier.listen, self._stopping, sauron.peers.wake_self)
            self._beside.append(self._thread("notifier", listen))

    def start(self) -> None:
        """Join the peers and start every thread."""
        self._sauron.join()
        self._sauron.rescue()  # before the first claim: what a dead runner left is not running
        if self._sauron.settings.queue_enabled:
            self._claiming.set()
        now = self._clock.monotonic()
        self._fired = dict.fromkeys(self._handlers, now)
        self._looked = now
        for thread in (*self._clocks, *self._workers, *self._beside):
            thread.start()

    # -- what /health asks --------------------------------------------------------------------------------------------

    def clock_alive(self) -> bool:
        """Whether the tick came round lately."""
        last = self._fired.get("tick", 0.0)
        alive = all(thread.is_alive() for thread in self._clocks)
        return alive and not is_stopped(timedelta(seconds=self._clock.monotonic() - last))

    def workers_alive(self) -> bool:
        """Whether claims are made and leases kept; a store that refuses for long counts as stopped."""
        looked = not is_stopped(timedelta(seconds=self._clock.monotonic() - self._looked))
        return looked and all(thread.is_alive() for thread in self._workers)

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._sauron.worker.running_attempts)

    # -- stopping -----------------------------------------------------------------------------------------------------

    def stop(self, drain: timedelta) -> None:
        """Stop claiming, give running attempts time to finish, then end them; returns when all is recorded."""
        self._claiming.clear()
        deadline = self._clock.monotonic() + drain.total_seconds()
        for thread in self._begun():
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._sauron.worker.running_attempts.stop_all()
        self._sauron.revisions.stop_installing()
        for thread in self._begun():
            thread.join()
        self._stopping.set()
        self._errands.wake()
        self._sauron.worker.running_attempts.wake()
        self._sauron.wake()
        for thread in self._workers:
            thread.join()
        # a sync or a copy may be under way; it is not waited for long
        for thread in (*self._clocks, *self._beside):
            thread.join(1.0)
        self._sauron.leave()

    def _begun(self) -> list[threading.Thread]:
        with self._beginning:
            return list(self._attempts)

    # -- the threads --------------------------------------------------------------------------------------------------

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def body() -> None:
            try:
                work()
            except BaseException:
                log.critical("thread.crashed", thread=name, exc_info=True)
            if not self._stopping.is_set():
                self.failed.set()

        return threading.Thread(target=body, name=name, daemon=True)

    def _tell_time(self, name: str, expression: str, call: Callable[[datetime], bool]) -> None:
        """Fire one handler at start and then by its expression; a wall clock that was set is noticed within 30 s."""
        fire_at = self._clock.now()
        while True:
            if call(fire_at):
                self._fired[name] = self._clock.monotonic()
            fire_at = max(
                next_fire(expression, fire_at),
                next_fire(expression, self._clock.now() - timedelta(minutes=1)),
            )
            while (wait := (fire_at - self._clock.now()).total_seconds()) > 0:
                # the wall clock may have been set back
                fire_at = min(fire_at, next_fire(expression, self._clock.now()))
                if self._stopping.wait(min(wait, 30.0)):
                    return
            if self._stopping.is_set():
                return

    def _call(self, handler: Callable[[Any, Any], Any], name: str, at: datetime) -> bool:
        from chalice.local import LambdaContext

        try:
            handler(event(name, at), LambdaContext(name, 128, max_runtime_ms=60_000))
        except Exception:
            log.exception("handler.failed", handler=name)
            return False
        return True

    def _dispatch(self) -> None:
        """Claim while a worker is free and something is due; else sleep until the next due time or a wake-up."""
        while not self._stopping.is_set():
            try:
                self._look()
                self._looked = self._clock.monotonic()
            except SQLAlchemyError as error:  # a full disk, a locked file: it may pass
                log.error("claim.failed", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough
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
                due, switched = finish.next_due(tx, now=now), registry.next_override_end(tx)
            if switched is not None and switched <= now:
                self._tick_now()
                return
            for instant in (due, switched):
                if instant is not None:
                    wait = min(wait, (instant - self._clock.now()).total_seconds())
        if sauron.peers.wait(wait):
            sauron.worker.running_attempts.check_cancellations()
        self._draining = sauron.draining()

    def _may_claim(self) -> bool:
        return self._claiming.is_set() and not self._draining

    def _tick_now(self) -> None:
        """Tick because an override has ended; a tick that fails is tried again in a moment."""
        try:
            self._sauron.tick()
        except Exception:
            log.exception("tick.failed")
            self._stopping.wait(STORE_PAUSE_SECONDS)

    def _watch(self) -> None:
        """Rescue at once what a peer that died on this machine held (its free lock says so), and soon what lapsed elsewhere.

        Keep the WAL short.
        """
        for look in itertools.count(1):
            if self._stopping.wait(WATCH_SECONDS):
                return
            try:
                if self._sauron.peers.any_gone():
                    self._sauron.rescue()
                if look % LOOKS_FOR_LAPSED == 0:
                    self._sauron.rescue(wait=self._stopping.wait)
                self._sauron.store.checkpoint()
            except SQLAlchemyError as error:
                log.error("rescue.failed", reason=str(error.__cause__ or error))  # noqa: TRY400 - the reason is enough

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


def start(app: App, sauron: Sauron | None = None) -> Local:
    """Start the clock and the workers of this process and make them the vitals that `/health` measures."""
    from chalicelib import wiring

    sauron = sauron or wiring.sauron()
    local = Local(app, sauron)
    local.start()
    sauron.vitals = local
    return local
