"""The questions that people and programs ask of a Sauron, for every door alike.

Each method takes plain arguments and returns a dict that is ready for JSON, so that HTTP, the command line
and the assistant give the same answer to the same question. Asking changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import Clock
from chalicelib.errors import BundleError
from chalicelib.model.jobs import JobSpec
from chalicelib.model.planning import DAYS
from chalicelib.settings import Settings
from chalicelib.store import Store, bundle, history

from . import ask_why, job_set
from .asked_time import LAST_YEAR
from .job_set import Candidate, Candidates
from .places import places
from .plan import plan
from .simulate import MOST, check_span, simulate

SIMULATED = timedelta(hours=24)
MOST_ON_LAMBDA = 15_000  # occurrences: Lambda sends at most 6 MB
COUNTED = 100  # good runs of a job that its duration is taken from


class Questions:
    """The questions about one store. Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        *,
        candidates: Candidates,
        missing: Callable[[JobSpec], list[str]],
    ) -> None:
        """Ask about `store`.

        `candidates` loads revisions; `missing` returns the required secrets of a job that are not set.
        """
        self._store = store
        self._clock = clock
        self._settings = settings
        self._candidates = candidates
        self._missing = missing

    def why(self, job_id: str, at: str | None = None) -> dict[str, Any]:
        """Return why a job ran, did not run, or will or will not run, at a time.

        `at` is ISO 8601; without an offset it is read in the job's zone. Without `at` it is about the last
        occurrence and what comes next, or about what keeps a job that is off from running. Raises
        UnknownJobError with the nearest id, InstantError for an `at` that is not a time.
        """
        with self._store.read() as tx:
            return ask_why.answer(tx, job_id, at, now=self._clock.now(), settings=self._settings)

    def plan(
        self, ref: str | None = None, *, days: int = DAYS, candidate: Candidate | None = None
    ) -> dict[str, Any]:
        """Return what a revision would change over so many days, or a candidate that is loaded already.

        Raises UnknownRefError, and BundleError if the bundle cannot be fetched.
        """
        candidate = candidate or self._candidates.candidate(ref)
        with self._store.read() as tx:
            now = job_set.in_force(tx, bundle.state(tx).active_sha)
        return plan(candidate, now, start=self._clock.now(), days=days, missing=self._missing)

    def simulate(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        workers: int | None = None,
        pessimistic: bool = False,
        ref: str | None = None,
        candidate: Candidate | None = None,
    ) -> dict[str, Any]:
        """Return how the jobs in force, or those of a revision, would run; by default in the next 24 hours.

        Without `workers` each runner that is alive has as many as this process's settings say. Raises
        SpanError, UnknownRefError, and BundleError for a revision that cannot be fetched or does not load.
        """
        start = start or self._clock.now()
        end = end or (start + SIMULATED if start.year <= LAST_YEAR else start)
        check_span(start, end)
        if ref is not None and candidate is None:
            candidate = self._candidates.candidate(ref)
        if candidate is not None and candidate.fault is not None:
            raise BundleError(candidate.fault)
        with self._store.read() as tx:
            now = job_set.in_force(tx, bundle.state(tx).active_sha)
            former = job_set.renames(job_set.specs(candidate), now) if candidate else {}
            jobs = job_set.after(candidate, now) if candidate else now.jobs
            taken: dict[str, list[float]] = {
                job_id: history.good_seconds(tx, former.get(job_id, job_id), most=COUNTED) for job_id in jobs
            }
            workers = workers or max(
                self._settings.workers, places(tx, self._settings, now=self._clock.now()).workers
            )
        return simulate(
            jobs,
            taken,
            start=start,
            end=end,
            workers=workers,
            pessimistic=pessimistic,
            pools=self._settings.pools,
            most=MOST_ON_LAMBDA if self._settings.function else MOST,
        )
