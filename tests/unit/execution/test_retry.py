"""Whether a run is tried again, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.execution.retry import decide_retry
from chalicelib.model.backoff import retry_delay
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Outcome, Verdict
from tests.conftest import job_record
from tests.runs import a_run

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPEC = JobSpec.from_record(job_record("job", retry_backoff_seconds=30))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMED_OUT])
def test_a_failed_attempt_is_tried_again_after_its_backoff(outcome: Outcome) -> None:
    for attempt in (1, 2):
        run = a_run(attempt=attempt)
        delay = retry_delay(timedelta(seconds=30), attempt, run.id)
        assert decide_retry(run, Verdict(outcome), SPEC, now=NOW) == NOW + delay


def test_a_run_whose_definition_cannot_be_read_waits_a_minute() -> None:
    retry_at = decide_retry(a_run(), Verdict(Outcome.FAILED), None, now=NOW)
    assert retry_at == NOW + retry_delay(timedelta(minutes=1), 1, "run-1")


@pytest.mark.parametrize("spec", [SPEC, None])
def test_an_interrupted_attempt_is_tried_again_at_once(spec: JobSpec | None) -> None:
    assert decide_retry(a_run(attempt=2), Verdict(Outcome.INTERRUPTED), spec, now=NOW) == NOW


@pytest.mark.parametrize("outcome", list(Outcome))
def test_nothing_is_tried_again_when_no_attempt_remains(outcome: Outcome) -> None:
    assert decide_retry(a_run(attempt=3), Verdict(outcome), SPEC, now=NOW) is None
    assert decide_retry(a_run(attempt=1, max_attempts=1), Verdict(outcome), SPEC, now=NOW) is None


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.DEGRADED, Outcome.CANCELLED])
def test_what_ended_well_or_was_cancelled_is_not_tried_again(outcome: Outcome) -> None:
    assert decide_retry(a_run(), Verdict(outcome), SPEC, now=NOW) is None
