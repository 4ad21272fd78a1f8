"""Run a job in the foreground, without queue or record: what `sauron run --direct` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.clock import Clock
from chalicelib.execution.direct import run_direct
from chalicelib.execution.worker import Launcher
from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.runs import Origin, Run, Verdict

from .requests import AskModel, check_params, new_row, no_model

OnState = Callable[[str, str, str | None, Any], Any]


class DirectRuns:
    """Executes jobs in this process's name, from the registry of a store or from a folder."""

    def __init__(
        self,
        find: Callable[[str], Job],
        clock: Clock,
        launcher: Launcher,
        on_state: OnState,
        *,
        ask_model: AskModel = no_model,
    ) -> None:
        """Start attempts with `launcher`; `on_state` serves what they ask of their durable state.

        `find` returns a job by its id, or raises UnknownJobError.
        `ask_model` asks the model of a job's params in its bundle's own process.
        """
        self._find = find
        self._clock = clock
        self._launcher = launcher
        self._on_state = on_state
        self._ask_model = ask_model

    def run(
        self, job_id: str, *, params: Mapping[str, Any] | None = None, on_output: Callable[[bytes], None]
    ) -> Verdict:
        """Execute a job to its end. Raises UnknownJobError, ParamsError, BundleError."""
        run, spec = self._prepare(job_id, params)
        return run_direct(self._launcher, run, spec, on_output=on_output, on_state=self._on_state)

    def _prepare(self, job_id: str, params: Mapping[str, Any] | None) -> tuple[Run, JobSpec]:
        """Make a run that is in no store."""
        job = self._find(job_id)
        check_params(job, params, ask_model=self._ask_model)
        now = self._clock.now()
        row = new_row(job.spec, now, origin=Origin.TRIGGER, params=params, by=None, reason=None)
        blank: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Run))
        counts = {
            "attempt": 1,
            "max_attempts": 1,
            "gap_count": 0,
            "lease_generation": 0,
            "lease_beat": 0,
            "force": False,
        }
        return Run(**(blank | row | counts | {"revision": job.revision, "started_at": now})), job.spec
