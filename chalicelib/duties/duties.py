"""What a runner or Lambda does every minute: turn time into runs, and keep everything well.

`upkeep` is a list of steps, one for a runner and one for Lambda, in the order in which they are done. A
runner has threads that send alerts and copy to Life Hub, so its list leaves both out. Each step is safe to
repeat, and to do on several machines at once; a step that raises ends the pass, and the next
minute's starts at the first step.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from chalicelib import logs
from chalicelib.alerting import incidents
from chalicelib.alerting.delivery import Delivery
from chalicelib.alerting.messages import channels
from chalicelib.clock import Clock
from chalicelib.execution.rescue import Rescuer, Wait
from chalicelib.lifehub.publisher import Publisher
from chalicelib.maintenance import builtin_jobs, dead_mans_switch
from chalicelib.maintenance.tidy import tidy
from chalicelib.model.runs import Run
from chalicelib.scheduling.tick import TickReport, tick
from chalicelib.settings import Settings
from chalicelib.store import Store, bundle, duties
from chalicelib.store.database import Tx
from chalicelib.store.postgres.server_clock import ServerClock
from chalicelib.store.queue import chains, in_flight, leases
from chalicelib.wakeup.membership import Membership
from chalicelib.wakeup.signals import Signals
from chalicelib.wakeup.sqs import SqsWakeUp
from chalicelib.wakeup.waker import Waker

log = logs.get(__name__)

# a run that is due for so long while nothing runs: Lambda's workers do not start
STUCK = timedelta(minutes=10)
INLINE_SECONDS = 15.0  # for alerts and copies where no thread sees to them


class Duties:
    """The duties of one process."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        *,
        rescuer: Rescuer,
        membership: Membership,
        delivery: Delivery,
        publisher: Publisher | None,
        waker: Waker,
        signals: Signals,
        sqs: SqsWakeUp | None,
        builtin: Callable[[], Sequence[Mapping[str, Any]]],
        workers_alive: Callable[[], bool] | None,
        upkeep: Sequence[Step],
    ) -> None:
        """Do the steps of `upkeep`; `builtin` returns the records of this version's builtin jobs.

        `publisher` is None without Life Hub, `sqs` where no Lambda works. `workers_alive` says whether this
        process's workers are; without workers of its own, what waits in the queue decides.
        """
        self._store = store
        self._clock = clock
        self._settings = settings
        self._rescuer = rescuer
        self._membership = membership
        self._delivery = delivery
        self._publisher = publisher
        self._waker = waker
        self._signals = signals
        self._sqs = sqs
        self._builtin = builtin
        self._workers_alive = workers_alive
        self._upkeep = tuple(upkeep)

    def tick(self) -> TickReport:
        """Turn what is due into runs, and wake workers for them."""
        report = tick(self._store, self._clock, self._settings.pools)
        self.follow_chains()
        if report.queued:
            self._waker.wake()
        elif self._sqs is not None:
            self._sqs.notify()  # for what became due without a tick, such as retries
        return report

    def follow_chains(self) -> None:
        """Ask for the children of runs that ended, and wake workers for them."""
        with self._store.read() as tx:
            if not chains.pending(tx):
                return
        with self._store.write() as tx:
            queued = chains.flow(tx, now=self._clock.now())
        if queued:
            self._waker.wake()

    def upkeep(self) -> None:
        """Do every step of this runtime's upkeep, in order."""
        for step in self._upkeep:
            step(self)

    # The steps.

    def measure_clock(self) -> None:
        """Where the database's clock is gone by, measure how far this machine's is off."""
        if isinstance(self._clock, ServerClock):
            self._clock.measure()

    def rescue(self) -> None:
        """Take up the runs of runners whose lease has lapsed, and forget runners that are gone."""
        self.rescue_dead(time.sleep)

    def tidy(self) -> None:
        """Let go of what the store need not keep."""
        tidy(self._store, self._clock)

    def define_builtin(self) -> None:
        """See to it that the registry holds the builtin jobs of this version."""
        builtin_jobs.define(self._store, self._clock, self._settings, self._builtin())

    def show_alive(self) -> None:
        """Show in `/status` that this runner is alive."""
        self._membership.seen()

    def review_all(self) -> None:
        """Open and end incidents of everything; alert senders look at once when one changed."""
        self.review()

    def deliver(self) -> None:
        """Send the alerts that are due, channel by channel, within `INLINE_SECONDS` each."""
        for channel in channels(self._settings):
            self._delivery.deliver(channel, most_seconds=INLINE_SECONDS)

    def publish(self) -> None:
        """Copy to Life Hub what waits, within `INLINE_SECONDS`."""
        if self._publisher is not None:
            self._publisher.publish(most_seconds=INLINE_SECONDS)

    def ping_dead_mans_switch(self) -> None:
        """Ping the outside monitor if tick, workers, sync and store are all fresh."""
        url = self._settings.heartbeat_url
        if url is None:
            return
        with self._store.read() as tx:
            ticked, state = duties.duty(tx, duties.TICK), bundle.state(tx)
            workers_alive = self._runs_are_started(tx)
        stale = dead_mans_switch.stale(
            self._clock.now(),
            last_tick=ticked[0] if ticked else None,
            workers_alive=workers_alive,
            bundle_configured=self._settings.jobs_git_repo_url is not None,
            last_sync=state.last_sync,
            refresh_interval=self._settings.refresh_interval,
            store_whole=self._store.damage is None,
        )
        if stale:
            log.warning("dead_mans_switch.ping_withheld", stale=stale)
        elif reason := dead_mans_switch.ping(url):
            log.warning("dead_mans_switch.ping_failed", reason=reason)

    def _runs_are_started(self, tx: Tx) -> bool:
        """Say whether runs that are due are being started, here or by Lambda's workers."""
        if self._workers_alive is not None:
            return self._workers_alive()
        if not self._settings.queue_enabled:
            return True
        return not in_flight.stuck(tx, since=self._clock.now() - STUCK)

    def reconcile(self) -> None:
        """Send messages again for runs whose messages ended in the dead-letter queue."""
        if self._sqs is not None:
            self._sqs.reconcile()

    # What is also done between two upkeeps.

    def review(self, jobs: Collection[str] | None = None) -> int:
        """Ask for the children of runs that ended; open and end incidents, of these jobs or of all.

        The alerts owed are written, and their senders woken.

        Return how many incidents changed.
        """
        self.follow_chains()
        here = self._store.path
        free = None if here is None else lambda: shutil.disk_usage(here.parent).free
        changed = incidents.review(self._store, self._clock, self._settings, jobs=jobs, free_bytes=free)
        if changed:
            self._signals.alerts_owed()
        return changed

    def rescue_gone(self) -> None:
        """Take up the runs of runners that are certainly gone, and forget those runners."""
        self._rescued(self._rescuer.rescue_gone())

    def rescue_dead(self, wait: Wait) -> None:
        """Take up the runs of runners that are gone or whose lease has lapsed.

        `wait` pauses between two looks.
        """
        self._rescued(self._rescuer.rescue_dead(wait))

    def _rescued(self, runs: Sequence[Run]) -> None:
        if runs:
            self._waker.wake()
        with self._store.read() as tx:
            owners = frozenset(lease.owner for lease in leases.running(tx))
        self._membership.forget(owners)


Step = Callable[[Duties], None]

RUNNER_UPKEEP: tuple[Step, ...] = (
    Duties.measure_clock,
    Duties.rescue,
    Duties.tidy,
    Duties.define_builtin,
    Duties.show_alive,
    Duties.review_all,
    Duties.ping_dead_mans_switch,
    Duties.reconcile,
)
LAMBDA_UPKEEP: tuple[Step, ...] = (
    Duties.measure_clock,
    Duties.rescue,
    Duties.tidy,
    Duties.define_builtin,
    Duties.review_all,
    Duties.deliver,
    Duties.publish,
    Duties.ping_dead_mans_switch,
    Duties.reconcile,
)
