"""The runner's side of one attempt: listen to it, keep its time, and collect the facts about its end.

The end is what the supervisor reports, after it has killed what was left; the end of the output is never
waited for, because a process that escaped could hold the pipe. When the supervisor itself is killed, the
guard kills the rest before the facts are returned.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sauron_jobs_loader import channel
from sauron_jobs_loader.masking import Masker

from . import scratch, tree_usage
from .facts import AttemptFacts, facts_of
from .oom_watch import OomWatch
from .process_tree_handle import ProcessTreeHandle
from .slots import Begun
from .streams import CHUNK, JobChannel, Listening, OnOutput, OnProgress, OnState, Output, Reports, Stream

LINGER = timedelta(seconds=2)
"""How long a process may take to leave after its function returned."""

DRAIN_LIMIT = 1 << 22
REPORT_PATIENCE = timedelta(seconds=12)
"""How long after the last limit the supervisor may take to report before it is killed as frozen."""

LEAVE_SECONDS = 0.02
"""Most processes leave within this time, so the supervisor is asked to limit the rest only then."""

LONGEST_WAIT_SECONDS = 1.0
"""One wait of the loop: `stop` may bring the deadline forward from another thread."""


class Attempt:
    """One running attempt. `watch` it once, from one thread; `stop` it from any."""

    def __init__(
        self,
        *,
        tree: ProcessTreeHandle,
        own_tree: bool,
        nonce: str,
        begun: Begun,
        oom: OomWatch,
        terms: Mapping[str, float | None],
        grace: timedelta,
        report_patience: timedelta,
        masker: Masker,
        closing: Callable[[], str | None],
        scratch_folder: str,
        on_end: Callable[[Attempt], None],
    ) -> None:
        self.pid = begun.pid
        self.ran_alone = True  # until another attempt of the launcher runs beside it
        self._oom = oom.from_now()
        self._terms = terms
        self._tree = tree
        self._own_tree = own_tree
        self._nonce = nonce
        self._control = begun.control
        self._link = begun.link
        self._output = begun.output
        self._supervisor = begun.supervisor
        self._is_free = False  # the supervisor, for another attempt
        self._grace = grace.total_seconds()
        self._patience = self._grace + report_patience.total_seconds()
        self._masker = masker
        self._closing = closing
        self._scratch = scratch_folder
        self._on_end = on_end
        self._lock = threading.Lock()
        self._closed = False
        self._watched = False
        self._stop_reason: str | None = None
        self._deadline = float("inf")
        self._linger_at = float("inf")

    def stop(self, reason: str) -> None:
        """End the attempt: TERM to its whole tree, KILL after the grace.

        Repeats are harmless; the first reason is kept.
        """
        self.abandon(reason)
        self._deadline = min(self._deadline, time.monotonic() + self._patience)
        self._order({"order": "stop", "grace": self._grace})

    def abandon(self, reason: str) -> None:
        """Note why the tree is about to be killed as a whole."""
        with self._lock:
            self._stop_reason = self._stop_reason or reason

    def usage(self) -> tree_usage.TreeUsage | None:
        """Look at what its processes use now, with names masked; None if there is none. May be slow."""
        found = tree_usage.look_at(self._supervisor)
        if found is None or self._closed:  # the supervisor may have gone on to another attempt
            return None
        return found._replace(programs=tuple(map(self._masker.text, found.programs)))

    def end(self) -> None:
        """Kill a spawned attempt's tree and wait until it is gone (a forked one ends with its zygote's)."""
        if self._own_tree:
            self._tree.end()
        if self._first_to_watch():
            self._close()

    def watch(
        self, *, timeout: timedelta, on_output: OnOutput, on_progress: OnProgress, on_state: OnState
    ) -> AttemptFacts:
        """Wait until the attempt is over, and return the facts about its end.

        That takes at most about `timeout` and the grace.

        The callbacks run in this thread. What one raises is raised here, after the attempt was ended.
        """
        reports = Reports(self._control)
        job = JobChannel(
            self._link,
            self._nonce,
            self._masker,
            on_result=self._let_linger,
            on_progress=on_progress,
            on_state=on_state,
        )
        if not self._first_to_watch():  # it was ended before anybody watched
            return self._facts(reports, job, 0)
        output = Output(self._output, self._masker, on_output)
        limits = {"seconds": timeout.total_seconds(), "grace": self._grace, **self._terms}
        self._order({"order": "limit", "scratch": self._scratch, **limits})
        self._deadline = min(self._deadline, time.monotonic() + timeout.total_seconds() + self._patience)
        try:
            self._listen(reports, job, output)
            leftovers = 0 if reports.report else self._sweep()
            # an end may cross the order on its way, and the supervisor then goes on although it is not wanted
            self._is_free = bool(reports.report and reports.report["again"] and self._terms["more"])
            _drain(output)
            _drain(job)
            output.finish()
            facts = self._facts(reports, job, leftovers)
            for sentence in (_cut_off(facts), _ended_with_the_job(facts), self._closing()):
                output.add(sentence)
            return facts
        finally:
            self._close()

    def _first_to_watch(self) -> bool:
        with self._lock:
            first, self._watched = not self._watched, True
        return first

    def _listen(self, reports: Reports, *others: Stream) -> None:
        """Take what comes until the supervisor has reported or is gone.

        A job whose result came mostly leaves at once, and only its end is waited for then.
        """
        listening = Listening(reports, *others)
        while not reports.ended:
            listening.take(self._wait_seconds())
            now = time.monotonic()
            if now > self._deadline:
                self._kill_supervisor()
            if now > self._linger_at:
                self._linger_at = float("inf")
                self._order({"order": "linger", "seconds": LINGER.total_seconds() - LEAVE_SECONDS})
                listening.add(*others)
            elif self._linger_at < float("inf"):
                listening.leave(*others)

    def _wait_seconds(self) -> float:
        left = min(self._deadline, self._linger_at) - time.monotonic()
        return min(max(left, 0.0) + 0.001, LONGEST_WAIT_SECONDS)

    def _kill_supervisor(self) -> None:
        """End a supervisor that is frozen, or waits for a process that cannot be killed."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._supervisor, signal.SIGKILL)
        self._deadline = float("inf")

    def _sweep(self) -> int:
        if self._own_tree:
            self._tree.wait()
            return 0
        return self._tree.sweep(self._supervisor)

    def _facts(self, reports: Reports, job: JobChannel, leftovers: int) -> AttemptFacts:
        return facts_of(
            reports.report,
            result=job.result,
            became_command=job.became_command,
            stop_reason=self._stop_reason,
            leftovers=leftovers,
            oom=self._oom,
            ran_alone=self.ran_alone,
        )

    def _let_linger(self) -> None:
        self._linger_at = time.monotonic() + LEAVE_SECONDS

    def _order(self, order: dict[str, Any]) -> None:
        """Send an order, with the job it is for: the supervisor may have gone on to the next one."""
        with self._lock, contextlib.suppress(OSError):
            if not self._closed:
                channel.send(self._control, order | {"job": self.pid})

    def _close(self) -> None:
        """Give up every descriptor. A supervisor that still runs ends its tree when it sees that.

        One that is free is given back to its tree.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._is_free:
                self._tree.give_back(self._control)
            else:
                self._control.close()
            self._link.close()
            os.close(self._output)
        if self._own_tree:
            self._tree.end()
        scratch.delete(self._scratch)
        self._on_end(self)


def _cut_off(facts: AttemptFacts) -> str | None:
    """Say that the job's own process was killed because it did not leave after its function returned."""
    if facts.result is None or facts.signal != signal.SIGKILL or facts.excess or facts.oom_kills:
        return None
    if facts.timed_out or facts.stopped:
        return None
    return (
        f"A thread or an exit function of this job still ran {LINGER.total_seconds():g} s after the job had"
        " ended, and ended with it. A job that needs one to finish waits for it."
    )


def _ended_with_the_job(facts: AttemptFacts) -> str | None:
    """Say that processes ended because the job did. At a timeout or a stop all of them are meant to end."""
    if not facts.leftovers or facts.timed_out or facts.stopped or not facts.reported:
        return None
    many = "1 background process" if facts.leftovers == 1 else f"{facts.leftovers} background processes"
    return (
        f"{many} of this job still ran when the job ended, and ended with it."
        " A job that needs one to finish waits for it."
    )


def _drain(stream: Stream) -> None:
    """Take what was sent before the end and is still in the pipe or socket; it is not waited for."""
    taken = 0
    while taken < DRAIN_LIMIT and stream.take():
        taken += CHUNK
