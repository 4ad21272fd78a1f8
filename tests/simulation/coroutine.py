"""Coroutines out of threads of which exactly one runs at a time: blocking code waits for virtual time.

The product blocks where it watches an attempt or waits for a store that refuses. Such code runs in a `Task`:
it gives the turn back with `pause`, and goes on when the world calls `resume`. The world alone decides the
order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Crash(BaseException):
    """The process dies here. It is no Exception: nothing of the product may handle it."""


class Threads:
    """Threads that are used again: making one costs more than most attempts."""

    def __init__(self) -> None:
        self._idle: list[_Thread] = []

    def take(self) -> _Thread:
        """Return a thread that does nothing."""
        return self._idle.pop() if self._idle else _Thread(self)

    def put(self, thread: _Thread) -> None:
        """Take a thread back."""
        self._idle.append(thread)

    def end(self) -> None:
        """End the idle threads."""
        for thread in self._idle:
            thread.task = None
            thread.turn.release()
        self._idle.clear()


class _Thread(threading.Thread):
    def __init__(self, home: Threads) -> None:
        super().__init__(daemon=True)
        self.home = home
        self.turn, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.task: Task | None = None
        self.start()

    def run(self) -> None:
        while True:
            self.turn.acquire()
            if self.task is None:
                return
            self.task.work()
            self.home.put(self)
            self.done.release()


class Task:
    """One piece of blocking code. `ended` is true once it returned, raised or crashed."""

    def __init__(self, threads: Threads, act: Callable[[], None], *, crashed: Callable[[], None]) -> None:
        """Prepare `act`; `crashed` is called if a crash ends it."""
        self._act = act
        self._crashed = crashed
        self._thread = threads.take()
        self._thread.task = self
        self._killed = False
        self.error: BaseException | None = None
        self.ended = False

    def resume(self) -> None:
        """Let it go on until it pauses or ends. Raises what it raised, but a crash."""
        thread = self._thread
        thread.turn.release()
        thread.done.acquire()
        if self.error is not None:
            raise self.error

    def pause(self) -> None:
        """Give the turn back, from within the task. Raises Crash if it was killed meanwhile."""
        self._thread.done.release()
        self._thread.turn.acquire()
        if self._killed:
            raise Crash

    def kill(self) -> None:
        """Have a paused task crash where it is."""
        self._killed = True
        self.resume()

    def work(self) -> None:
        """Do it, in its thread."""
        try:
            self._act()
        except Crash:
            self._crashed()
        except BaseException as error:  # noqa: BLE001 - the world raises it
            self.error = error
        self.ended = True
