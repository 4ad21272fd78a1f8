from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.model.jobs import Job, JobSpec
from chalicelib.model.occurrences import HORIZON, account
from chalicelib.model.runs import Origin, RunState
from tests.conftest import job_record

pytestmark = pytest.mark.every_store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def job(cron: str, cursor: datetime, **fields: Any) -> Job:
    spec = JobSpec.from_record(job_record("j", cron, **fields))
    return Job(spec, "bundle", "a" * 40, True, None, cursor, cursor, None, None)


def brief(rows: tuple[dict[str, Any], ...]) -> list[tuple[str, str, str, int]]:
    return [(row["state"], row["origin"], row["fire_at"].strftime("%H:%M"), row["gap_count"]) for row in rows]


def test_occurrences_up_to_the_horizon_become_queued_runs() -> None:
    done = account(job("* * * * *", NOON), now=NOON, until=NOON + HORIZON)
    assert brief(done.rows) == [("queued", "schedule", "12:01", 0)]
    assert done.cursor == NOON + HORIZON
    assert done.next_fire_at == NOON + timedelta(minutes=2)


def test_a_cursor_beyond_the_horizon_yields_nothing_and_does_not_move() -> None:
    done = account(job("* * * * *", NOON + timedelta(hours=1)), now=NOON, until=NOON + HORIZON)
    assert done.rows == ()
    assert done.cursor == NOON + timedelta(hours=1)


def test_catchup_latest_runs_the_newest_missed_occurrence_and_records_the_rest_as_one_gap() -> None:
    done = account(
        job("*/10 * * * *", NOON - timedelta(hours=1)),
        now=NOON + timedelta(minutes=5),
        until=NOON + timedelta(minutes=6),
    )
    assert brief(done.rows) == [("missed", "catchup", "11:50", 5), ("queued", "catchup", "12:00", 0)]
    gap = done.rows[0]
    assert gap["gap_from"] == NOON - timedelta(minutes=50)
    assert "5 occurrences" in gap["reason"]


def test_catchup_none_runs_nothing_late() -> None:
    done = account(
        job("*/10 * * * *", NOON - timedelta(minutes=25), catchup="none"),
        now=NOON + timedelta(minutes=5),
        until=NOON + timedelta(minutes=6),
    )
    assert brief(done.rows) == [("missed", "catchup", "12:00", 3)]


def test_an_occurrence_seen_within_a_minute_was_not_missed() -> None:
    done = account(
        job("*/10 * * * *", NOON - timedelta(minutes=5), catchup="none"),
        now=NOON + timedelta(seconds=40),
        until=NOON + timedelta(minutes=1),
    )
    assert brief(done.rows) == [("queued", "schedule", "12:00", 0)]


def test_catchup_all_runs_every_missed_occurrence_oldest_first() -> None:
    done = account(
        job("*/10 * * * *", NOON - timedelta(minutes=25), catchup="all"),
        now=NOON + timedelta(minutes=5),
        until=NOON + timedelta(minutes=6),
    )
    assert brief(done.rows) == [("queued", "catchup", f"{at}", 0) for at in ("11:40", "11:50", "12:00")]


def test_catchup_all_runs_at_most_catchup_max_and_records_the_older_ones() -> None:
    done = account(
        job("*/10 * * * *", NOON - timedelta(hours=2), catchup="all", catchup_max=2), now=NOON, until=NOON
    )
    assert brief(done.rows) == [
        ("missed", "catchup", "11:40", 10),
        ("queued", "catchup", "11:50", 0),
        ("queued", "schedule", "12:00", 0),
    ]


@pytest.mark.parametrize("catchup", ["latest", "all"])
def test_what_is_older_than_the_window_is_missed(catchup: str) -> None:
    late = NOON + timedelta(hours=5)
    done = account(
        job("0 12 * * *", NOON - timedelta(hours=1), catchup=catchup, catchup_window_seconds=3600),
        now=late,
        until=late,
    )
    assert brief(done.rows) == [("missed", "catchup", "12:00", 1)]


def test_a_year_of_missed_minutes_is_one_row_and_costs_no_walk() -> None:
    late = NOON + timedelta(days=365)
    done = account(job("* * * * *", NOON), now=late, until=late)
    assert [(row["state"], row["gap_count"]) for row in done.rows] == [
        (RunState.MISSED, 525599),
        (RunState.QUEUED, 0),
    ]


def test_jitter_delays_the_due_time_and_never_the_fire_time() -> None:
    done = account(
        job("0 * * * *", NOON + timedelta(minutes=30), jitter_minutes=10),
        now=NOON + timedelta(minutes=59),
        until=NOON + timedelta(hours=1),
    )
    [row] = done.rows
    assert row["fire_at"] == NOON + timedelta(hours=1)
    assert timedelta(0) < row["due_at"] - row["fire_at"] < timedelta(minutes=10)
    again = account(
        job("0 * * * *", NOON + timedelta(minutes=30), jitter_minutes=10),
        now=NOON + timedelta(minutes=59),
        until=NOON + timedelta(hours=1),
    )
    assert again.rows[0]["due_at"] == row["due_at"]


def test_catchup_rows_wait_their_turn_instead_of_being_skipped() -> None:
    done = account(
        job("*/10 * * * *", NOON - timedelta(minutes=25), catchup="all"),
        now=NOON + timedelta(minutes=5),
        until=NOON + timedelta(minutes=6),
    )
    assert {row["origin"] for row in done.rows} == {Origin.CATCHUP}
