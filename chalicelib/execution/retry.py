"""Whether a run is tried again after an attempt, and when. Workers and rescues decide by this one rule."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.model.backoff import retry_delay
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import FAILURES, Outcome, Run, Verdict

UNKNOWN_BACKOFF = timedelta(minutes=1)  # of a run whose definition could not be read


def decide_retry(run: Run, verdict: Verdict, spec: JobSpec | None, *, now: datetime) -> datetime | None:
    """Return when the run is tried again, or None if this end is final.

    While attempts remain, an interrupted attempt is tried again at once and a failed one after its backoff. A
    run that is cancelled meanwhile is not tried again: the store decides that when it records the end.
    """
    if run.attempt >= run.max_attempts:
        return None
    if verdict.outcome is Outcome.INTERRUPTED:
        return now
    if verdict.outcome in FAILURES:
        return now + retry_delay(spec.retry_backoff if spec else UNKNOWN_BACKOFF, run.attempt, run.id)
    return None
