"""The clock of a runner: it stands in for EventBridge and fires the scheduled handlers of the Chalice app.

Each handler has a thread, fires at start and then by its own expression, with the event EventBridge would
send. A handler that raises is logged and fired again at its next time.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from chalicelib import logs
from chalicelib.aws.eventbridge import event, expression_of, next_fire
from chalicelib.clock import Clock

from .threads import Threads

log = logs.get(__name__)

TICK = "tick"  # the handler whose success the vitals go by
LOOK_AGAIN_SECONDS = 30.0  # how soon a wall clock that was set is noticed
HANDLER_MILLISECONDS = 60_000

Handler = Callable[[Any, Any], Any]


class App(Protocol):
    """What is used of a Chalice application."""

    event_sources: list[Any]
    handler_map: dict[str, Any]


def clock_threads(
    app: App,
    clock: Clock,
    threads: Threads,
    *,
    on_tick: Callable[[], None],
    on_failed_tick: Callable[[Exception], None],
) -> list[threading.Thread]:
    """Make a thread per scheduled handler of the app.

    `on_tick` is called after each tick that worked, `on_failed_tick` with the error of one that did not.
    """
    made = []
    for source in app.event_sources:
        if type(source).__name__ == "ScheduledEventConfig":
            fire = functools.partial(_fire, app.handler_map[source.name], source.name)
            told = functools.partial(_told, fire, on_tick, on_failed_tick) if source.name == TICK else fire
            loop = functools.partial(_keep_time, expression_of(source), clock, threads.stopping, told)
            made.append(threads.make(f"clock-{source.name}", loop))
    return made


def _told(
    fire: Callable[[datetime], Exception | None],
    worked: Callable[[], None],
    failed: Callable[[Exception], None],
    at: datetime,
) -> None:
    """Fire, and tell how that went."""
    error = fire(at)
    if error is None:
        worked()
    else:
        failed(error)


def _keep_time(
    expression: str, clock: Clock, stopping: threading.Event, fire: Callable[[datetime], object]
) -> None:
    """Fire at start and then by the expression, until stopped."""
    fire_at = clock.now()
    while True:
        fire(fire_at)
        minute_ago = clock.now() - timedelta(minutes=1)
        fire_at = max(next_fire(expression, fire_at), next_fire(expression, minute_ago))
        while (wait := (fire_at - clock.now()).total_seconds()) > 0:
            fire_at = min(
                fire_at, next_fire(expression, clock.now())
            )  # the wall clock may have been set back
            if stopping.wait(min(wait, LOOK_AGAIN_SECONDS)):
                return
        if stopping.is_set():
            return


def _fire(handler: Handler, name: str, at: datetime) -> Exception | None:
    """Call a handler as Lambda would; return what it raised."""
    from chalice.local import LambdaContext

    try:
        handler(event(name, at), LambdaContext(name, 128, max_runtime_ms=HANDLER_MILLISECONDS))
    except Exception as error:
        log.exception("handler.failed", handler=name)
        return error
    return None
