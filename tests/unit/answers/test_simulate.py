from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers.simulate import simulate, usual_seconds
from chalicelib.errors import SpanError
from tests.conftest import job_record
from tests.unit.answers.job_sets import member, off

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def simulated(*records: Any, taken: Any = None, minutes: int = 10, workers: int = 1, **more: Any) -> Any:
    jobs: dict[Any, Any] = {record["id"]: member(record) for record in records}
    return simulate(
        jobs, taken or {}, start=START, end=START + timedelta(minutes=minutes), workers=workers, **more
    )


def test_the_median_and_the_95th_percentile_by_nearest_rank() -> None:
    taken = [float(number) for number in range(1, 41)]
    assert usual_seconds(taken[::-1], pessimistic=False) == 20.5
    assert usual_seconds(taken[::-1], pessimistic=True) == 38.0  # the 38th of 40
    assert usual_seconds([3.0, 1.0, 2.0], pessimistic=False) == 2.0
    assert usual_seconds([3.0], pessimistic=True) == 3.0


def test_a_job_without_history_takes_a_second_and_that_is_said() -> None:
    found = simulated(job_record("new", "0 * * * *"), job_record("old", "0 * * * *"), taken={"old": [7.0]})
    assert [(one["job_id"], one["seconds"], one["source"]) for one in found["durations"]] == [
        ("new", 1.0, "assumed"),
        ("old", 7.0, "history"),
    ]
    assert "taken for 1 s: new." in found["notes"][-1]
    assert [one["waited_seconds"] for one in found["runs"]] == [0.0, 1.0]
    assert found["runs"][1]["reason"] == "waited for a worker"


def test_the_span_holds_its_beginning_and_not_its_end() -> None:
    found = simulated(job_record("a"), minutes=2)
    assert [one["fire_at"] for one in found["runs"]] == ["2026-03-02T12:00:00Z", "2026-03-02T12:01:00Z"]


def test_jitter_delays_the_start_and_is_no_wait() -> None:
    record = job_record("a", "0 * * * *", jitter_minutes=5)
    (run,) = simulated(record, minutes=5)["runs"]
    due = member(record).spec.due_at(START)
    assert START < due < START + timedelta(minutes=5)
    assert datetime.fromisoformat(run["starts_at"]) == datetime.fromisoformat(run["due_at"])
    assert abs(datetime.fromisoformat(run["due_at"]) - due) < timedelta(milliseconds=1)
    assert (run["fire_at"], run["waited_seconds"]) == ("2026-03-02T12:00:00Z", 0.0)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("skip", [None, "overlap: the run of 2026-03-02T12:00:00Z was not over"]),
        ("queue", [None, "overlap: waited for the run of 2026-03-02T12:00:00Z"]),
        ("replace", ["overlap: ended by the run of 2026-03-02T12:01:00Z", None]),
        ("allow", [None, None]),
    ],
)
def test_the_reason_names_the_other_run(policy: str, said: list[str | None]) -> None:
    record = job_record("a", overlap=policy)
    found = simulated(record, taken={"a": [90.0]}, minutes=2, workers=2)
    assert [one["reason"] for one in found["runs"]] == said


def test_a_job_that_follows_starts_when_its_parents_ended_or_says_which_did_not_run() -> None:
    jobs: dict[Any, Any] = {
        record["id"]: member(record)
        for record in (
            job_record("a", "0 * * * *"),
            job_record("b", "", after=["a"], pool="db"),
            job_record("c", "0 * * * *", pool="db", priority=1),
            job_record("both", "", after=["a", "off"]),
            job_record("mended", "", after=["bad"]),
            job_record("quiet", "", after=["off"]),
        )
    }
    jobs["off"] = member(job_record("off", "0 * * * *"), override=off())
    jobs["bad"] = member(job_record("bad", "0 * * * *"), rejected="write 0 to 59")
    taken = {"a": [5.0], "b": [1.0], "c": [30.0]}
    found = simulate(jobs, taken, start=START, end=START + timedelta(minutes=10), workers=4)
    rows = {one["job_id"]: (one["state"], one["starts_at"], one["reason"]) for one in found["runs"]}
    assert rows == {
        "a": ("ran", "2026-03-02T12:00:00Z", None),
        "b": ("ran", "2026-03-02T12:00:30Z", "waited for the pool db"),
        "bad": ("missed", None, "definition rejected: write 0 to 59"),
        "both": ("skipped", None, "off, which it follows, has no run then"),
        "c": ("ran", "2026-03-02T12:00:00Z", None),
        "mended": ("skipped", None, "bad, which it follows, was missed"),
    }
    assert {one["job_id"]: one["waited_seconds"] for one in found["runs"]}["b"] == 25.0
    assert [found["summary"][name] for name in ("runs", "skipped", "missed")] == [3, 2, 1]


def test_occurrences_of_a_rejected_job_are_missed_and_those_of_one_that_is_off_are_none() -> None:
    jobs: dict[Any, Any] = {
        "bad": member(job_record("bad", "0 * * * *"), rejected="write 0 to 59"),
        "late": member(job_record("late"), override=off(START + timedelta(minutes=8))),
        "off": member(job_record("off"), override=off()),
    }
    found = simulate(jobs, {}, start=START, end=START + timedelta(minutes=10), workers=4)
    assert [(one["job_id"], one["state"]) for one in found["runs"]] == [("bad", "missed"), ("late", "ran")]
    assert found["runs"][0]["reason"] == "definition rejected: write 0 to 59"
    assert found["summary"]["missed"] == 1
    assert found["runs"][1]["fire_at"] == "2026-03-02T12:09:00Z"


def test_nothing_to_run_is_a_simulation_too() -> None:
    summary = simulated(job_record("a", "0 3 * * *"))["summary"]
    assert summary == {
        "runs": 0,
        "skipped": 0,
        "missed": 0,
        "longest_wait_seconds": 0.0,
        "busiest": {"at": None, "running": 0},
        "busy_share": 0.0,
    }


def test_the_same_input_gives_the_same_bytes_whatever_its_order() -> None:
    records = [job_record(f"job-{number}", jitter_minutes=number) for number in range(3)]
    for record in records:
        record["cron"] = "*/5 * * * *"
    assert json.dumps(simulated(*records)) == json.dumps(simulated(*records[::-1]))


def test_a_span_that_is_empty_too_long_or_too_full_is_refused_with_what_to_write() -> None:
    for minutes, words in ((0, "is not after from=2026-03-02T12:00:00Z"), (367 * 1440, "over 366 days")):
        with pytest.raises(SpanError, match=words):
            simulated(job_record("a", "0 3 * * *"), minutes=minutes)
    with pytest.raises(SpanError, match=r"11 occurrences .* at most 10 are simulated. Write an earlier time"):
        simulated(job_record("a"), minutes=11, most=10)
