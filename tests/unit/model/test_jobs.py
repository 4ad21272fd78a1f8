"""Jobs as values: what is refused, when an occurrence may start, and when a job fires next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.errors import JobSpecError, ScheduleError
from chalicelib.model.jobs import BUNDLE, Job, JobSpec
from tests.conftest import job_record

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)


def spec(job_id: str = "job", cron: str = "0 * * * *", **fields: Any) -> JobSpec:
    return JobSpec.from_record(job_record(job_id, cron, **fields))


def a_job(**changes: Any) -> Job:
    job = Job(spec(), BUNDLE, "a" * 40, True, None, NOW, None, None, None)
    return replace(job, **changes)


def test_a_job_fires_next_after_now_as_often_as_asked() -> None:
    hours = [datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (13, 14, 15)]
    assert a_job().next_fires(now=NOW, count=3) == hours
    assert a_job().next_fires(now=hours[0], count=1) == [hours[1]]
    assert a_job().next_fires(now=NOW, count=0) == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"removed_at": NOW}, {"rejected": "bad cron"}])
def test_a_job_that_is_off_or_removed_or_rejected_never_fires(change: dict[str, Any]) -> None:
    assert a_job(**change).next_fires(now=NOW, count=5) == []


def test_a_job_whose_zone_is_no_longer_known_says_so() -> None:
    with pytest.raises(ScheduleError):
        a_job(spec=spec(timezone="Mars/Olympus")).next_fires(now=NOW, count=1)


def test_the_jitter_is_a_stable_delay_within_its_limit_and_differs_between_jobs() -> None:
    limit = timedelta(minutes=10)
    delays = [spec(f"job-{number}", jitter_minutes=10).due_at(NOW) - NOW for number in range(200)]
    assert all(timedelta() <= delay <= limit for delay in delays)
    assert len(set(delays)) == len(delays)
    assert max(delays) - min(delays) > limit * 0.9
    assert spec("job-0", jitter_minutes=10).due_at(NOW) - NOW == delays[0]
    assert spec("job-0").due_at(NOW) == NOW


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"job_id": "sauron.mine"}, "Choose another id"),
        ({"cron": "61 * * * *"}, "61"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"jitter_minutes": 60}, "is not shorter than the interval"),
        ({"params": {"schema": {"type": 5}}}, "params is not a valid JSON Schema: type"),
        ({"params": {"schema": {"$ref": "#/nowhere"}}}, "Write it out under $defs"),
    ],
)
def test_a_definition_that_cannot_be_kept_is_refused_with_what_to_write(
    fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(JobSpecError) as refused:
        spec(**fields).check()
    assert words in str(refused.value)


def test_a_definition_that_can_be_kept_is_not_refused() -> None:
    spec(jitter_minutes=59, params={"schema": {"type": "object"}}).check()


def test_the_hash_of_a_definition_changes_with_what_the_author_wrote_and_not_with_its_place() -> None:
    assert spec().definition_hash == spec(place="jobs/other.py:9").definition_hash
    assert spec().definition_hash != spec(cron="1 * * * *").definition_hash
