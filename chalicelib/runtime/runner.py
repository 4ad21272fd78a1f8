"""A runner: the threads that stand in for EventBridge and SQS on one machine.

The container and `chalice local` both start one. It has a clock that fires the scheduled handlers
(`clock_threads`), workers that claim and execute (`worker_pool`), and background loops that alert and copy
(`background`). A thread that ends by itself sets `failed`; the process is then to end, so that its
supervisor starts it again.
"""

from __future__ import annotations

import functools
import gc
import sys
import threading
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from chalicelib.errors import StoreError
from chalicelib.wiring import Sauron

from .background import BackgroundLoops
from .clock_threads import App, clock_threads
from .threads import Threads
from .worker_pool import WorkerPool

# After which a thread that computes gives way to one that waits. A claim gives the interpreter's lock away at
# each statement, so Python's own 5 ms would delay a due run many times over while a page is made.
SWITCH_SECONDS = 0.0005
GARBAGE = 10_000  # objects that are made before Python looks for unused ones among them; a page makes as many
LEAVE_SECONDS = 1.0  # for a sync or a copy that is under way when the runner stops


class Runner:
    """The threads of one runner."""

    def __init__(self, app: App, sauron: Sauron) -> None:
        """Prepare the threads; `sauron` was built for a runtime with threads."""
        if sauron.vitals is None:
            raise ValueError("a runner needs a Sauron that was built for the runtime RUNNER")
        self._sauron = sauron
        self._vitals = sauron.vitals
        self._threads = Threads()
        self._clocks = clock_threads(
            app,
            sauron.clock,
            self._threads,
            on_tick=sauron.vitals.ticked,
            on_failed_tick=sauron.vitals.tick_failed,
        )
        self._pool = WorkerPool(sauron, sauron.vitals, self._threads)
        self._background = BackgroundLoops(sauron, self._threads.stopping)
        self._beside = [self._threads.make(name, loop) for name, loop in self._background.loops.items()]
        if sauron.notifier is not None:
            listen = functools.partial(sauron.notifier.listen, self._threads.stopping, sauron.peers.wake_self)
            self._beside.append(self._threads.make("notify-listener", listen))

    @property
    def failed(self) -> threading.Event:
        """Set when a thread ended by itself."""
        return self._threads.failed

    @property
    def running(self) -> int:
        """How many attempts are running."""
        return self._pool.running

    def start(self) -> None:
        """Join the other runners and start every thread."""
        sys.setswitchinterval(SWITCH_SECONDS)
        spare_the_collector()
        self._sauron.membership.join()
        self._sauron.duties.define_builtin()
        self._pool.start()
        for thread in (*self._clocks, *self._beside):
            thread.start()
        self._vitals.watch(clocks=self._clocks, workers=self._pool.threads)

    def stop(self, drain: timedelta) -> None:
        """Stop claiming, give running attempts `drain` to finish, then end them. All is recorded after."""
        self._pool.finish(drain)
        self._threads.stopping.set()
        self._background.wake()
        self._pool.join()
        for thread in (*self._clocks, *self._beside):
            thread.join(LEAVE_SECONDS)
        self._sauron.membership.leave()


def spare_the_collector() -> None:
    """Let garbage collection pass over what is loaded by now, and begin less often.

    Else a whole collection, which no thread can interrupt, takes a twelfth of a second with a thousand jobs,
    again and again.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE)


def start(app: App, sauron: Sauron) -> Runner:
    """Start a runner of this Sauron that fires the handlers of `app`. Raises StoreError."""
    runner = Runner(app, sauron)
    try:
        runner.start()
    except DBAPIError as error:
        raise StoreError(sauron.store.explain(error)) from error
    return runner
