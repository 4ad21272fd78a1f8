from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers.simulate import simulate
from chalicelib.store import Store
from sauron.cli.timeline import timeline
from tests.conftest import ManualClock, define, job_record
from tests.unit.answers.job_sets import member
from tests.unit.container.cli.conftest import Cli

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPAN = ("--from", "2026-03-02T12:00:00Z", "--to", "2026-03-02T14:00:00Z")


@pytest.fixture
def _a_job(store: Store, clock: ManualClock) -> None:
    define(store, clock, "half-hourly", "*/30 * * * *")


@pytest.mark.usefixtures("_a_job")
def test_the_runs_are_a_table_with_a_summary(cli: Cli) -> None:
    said = cli("simulate", *SPAN, "--workers", "2")
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines() if "half-hourly" in line and "ran" in line.split()]
    assert [row[2] for row in rows] == ["12:00", "12:30", "13:00", "13:30"]
    assert "workers       2" in said.out
    assert "runs          4" in said.out
    assert "taken for 1 s: half-hourly." in said.out


@pytest.mark.usefixtures("_a_job")
def test_json_is_the_answer_of_the_api_and_the_same_each_time(cli: Cli) -> None:
    said = cli("simulate", *SPAN, "--json")
    assert said.json["summary"]["runs"] == 4
    assert cli("simulate", *SPAN, "--json").out == said.out


@pytest.mark.usefixtures("_a_job")
def test_a_timeline_is_drawn_on_demand_and_an_empty_span_says_so(cli: Cli) -> None:
    drawn = cli("simulate", *SPAN, "--timeline").out
    assert "half-hourly " in drawn
    assert "# runs" in drawn
    empty = cli("simulate", "--from", "2026-03-02T12:01:00Z", "--to", "2026-03-02T12:02:00Z")
    assert "No job fires in that time." in empty.out


def test_a_timeline_shows_runs_waits_and_skips_in_their_columns() -> None:
    jobs: dict[Any, Any] = {
        "a": member(job_record("a", "0 12 * * *")),
        "b": member(job_record("b", "0 12 * * *")),
        "c": member(job_record("c", "5,10 12 * * *")),
    }
    taken = {"a": [120.0], "b": [120.0], "c": [600.0]}
    end = START + timedelta(minutes=20)
    found = simulate(jobs, taken, start=START, end=end, workers=1)
    assert list(timeline(found, width=4 + 20)) == [  # a column is a minute
        "UTC 12:00          12:20",
        "a   ##..................",
        "b   --##................",
        "c   .....#####x####.....",
        "    # runs  - waits  x skipped  ! missed",
    ]
