"""The fake launcher: attempts that last as long and end as the story's seed says, without a process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.errors import BundleError
from chalicelib.execution.verdict import INTERRUPTIONS
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Run
from sauron_jobs_loader.launch.facts import AttemptFacts
from tests.attempts import attempt_facts

if TYPE_CHECKING:
    from tests.simulation.runner import Runner

GRACE = 0.4  # seconds that a process takes to end when it is told to
ENDS = (
    *("succeeded",) * 12, *("failed",) * 3, "degraded", "crashed", "timed_out", "not_started",
)  # fmt: skip
SECONDS = (0.2, 0.2, 1, 1, 3, 3, 8, 8, 20, 45, 70, 200)
LONGER = (0.2, 3, 8, 20, 45, 45, 70, 70, 120, 200)  # in short stories, so that faults find them running


class Launcher:
    """Starts attempts for one runner."""

    def __init__(self, runner: Runner, seed: int, *, longer: bool) -> None:
        self._runner = runner
        self._seed = seed
        self._seconds = LONGER if longer else SECONDS

    def start(self, run: Run, spec: JobSpec) -> Attempt:
        """Start an attempt, or refuse as a revision that does not load."""
        self._runner.launched(run, spec)
        drawn = hashlib.sha256(
            f"{self._seed}/{run.job_id}/{run.fire_at}/{run.due_at}/{run.attempt}".encode()
        ).digest()
        ends, seconds = ENDS[drawn[0] % len(ENDS)], self._seconds[drawn[1] % len(self._seconds)]
        if ends == "not_started":
            self._runner.ended("failed")
            raise BundleError("this revision does not load here")
        return Attempt(self._runner, ends, min(seconds, spec.timeout.total_seconds()))


class Attempt:
    """An attempt that waits for virtual time."""

    def __init__(self, runner: Runner, ends: str, seconds: float) -> None:
        self._runner = runner
        self._ends = ends
        self._until = runner.world.elapsed + seconds
        self._stopped: str | None = None

    def watch(
        self,
        *,
        timeout: timedelta,  # noqa: ARG002 - the end was drawn
        on_output: Callable[[bytes], None],
        on_progress: Callable[[float, str], None],  # noqa: ARG002 - jobs here have none
        on_state: Callable[[str, str | None, Any], Any],  # noqa: ARG002 - nor state
    ) -> AttemptFacts:
        """Wait until the attempt is over."""
        on_output(b"begun\n")
        while (left := self._until - self._runner.world.elapsed) > 0.001:
            self._runner.sleep(left)
        stopped = self._stopped and ("interrupted" if self._stopped in INTERRUPTIONS else "cancelled")
        self._runner.ended(stopped or {"crashed": "failed"}.get(self._ends, self._ends))
        if self._stopped:
            return attempt_facts(stop_reason=self._stopped, stopped=True, exit_code=None, signal=15)
        if self._ends == "timed_out":
            return attempt_facts(timed_out=True, exit_code=None, signal=15)
        if self._ends == "crashed":
            return attempt_facts(exit_code=1)
        if self._ends == "failed":
            return attempt_facts(
                result={"ok": False, "error": "no route", "error_type": "OSError"}, exit_code=1
            )
        status = {"status": "degraded"} if self._ends == "degraded" else None
        return attempt_facts(result={"ok": True, "value": status})

    def usage(self) -> None:
        """Use nothing."""

    def stop(self, reason: str) -> None:
        """End soon."""
        if self._stopped is None and self._until > self._runner.world.elapsed:
            self._stopped = reason
            self._until = min(self._until, self._runner.world.elapsed + GRACE)
            self._runner.look_at_tasks()
