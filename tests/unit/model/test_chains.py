"""Which definitions may follow which others."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.model import chains, pools
from chalicelib.model.jobs import JobSpec
from tests.conftest import job_record


def refusals(**jobs: dict[str, Any]) -> dict[str, str]:
    specs = [JobSpec.from_record(job_record(job_id, **({"cron": ""} | job))) for job_id, job in jobs.items()]
    return {str(job_id): why for job_id, why in chains.refusals({spec.id: spec for spec in specs}).items()}


HOURLY = {"cron": "0 * * * *"}


@pytest.mark.parametrize(
    ("jobs", "refused"),
    [
        ({"a": HOURLY, "b": {"after": ["a"]}, "c": {"after": ["a", "b"]}}, {}),
        ({"a": HOURLY, "b": {"after": ["gone"]}, "c": {"after": ["b"]}}, {"b": "gone", "c": "left out"}),
        (
            {"a": {"after": ["c"]}, "b": {"after": ["a"]}, "c": {"after": ["b"]}},
            dict.fromkeys("abc", "circle"),
        ),
        ({"a": HOURLY | {"after": ["b"]}, "b": {"after": ["a"]}}, dict.fromkeys("ab", "circle")),
        (
            {"a": HOURLY, "b": HOURLY | {"timezone": "Asia/Tokyo"}, "c": {"after": ["a", "b"]}},
            {"c": "differ"},
        ),
        (
            {"a": HOURLY, "b": {"cron": "1 * * * *"}, "c": {"after": ["b"]}, "d": {"after": ["a", "c"]}},
            {"d": "differ"},
        ),
        ({"a": HOURLY, "b": HOURLY, "c": {"after": ["a", "b"]}}, {}),
    ],
)
def test_a_chain_that_cannot_be_kept_is_refused_with_the_reason(
    jobs: dict[str, dict[str, Any]], refused: dict[str, str]
) -> None:
    found = refusals(**jobs)
    assert set(found) == set(refused)
    for job_id, word in refused.items():
        assert word in found[job_id]


def test_a_pool_without_a_size_is_remarked() -> None:
    assert list(pools.unsized(["db", "api", "db"], {"api": 2})) == ["db"]


def test_a_schedule_is_told_with_the_jobs_that_are_followed() -> None:
    alone = JobSpec.from_record(job_record("c", "", after=["a", "b"]))
    beside = JobSpec.from_record(job_record("c", "0 8 * * *", after=["a"]))
    assert alone.schedule_text == "after a and b"
    assert beside.schedule_text.endswith(", and after a")
