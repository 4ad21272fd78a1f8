from __future__ import annotations

import pytest

from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client


def test_why_answers_in_the_shape_of_the_contract(sauron: Sauron, client: Client) -> None:
    sauron.duties.tick()
    found = client.get("/jobs/nightly-backup/why").json
    assert set(found) >= {
        "job_id", "at", "answer", "sentence", "occurrence", "run", "schedule", "revision", "enabled", "facts",
    }  # fmt: skip
    assert (found["job_id"], found["answer"], found["occurrence"]) == (
        "nightly-backup",
        "due",
        "2026-03-03T03:00:00Z",
    )
    assert all(set(fact) == {"at", "what"} for fact in found["facts"])
    assert client.get("/jobs/digest/why").json["answer"] == "disabled"


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-03-02T08:00", "2026-03-02T07:00:00Z"),
        ("2026-03-02%2008:00", "2026-03-02T07:00:00Z"),
        ("2026-03-02T08:00%2B02:00", "2026-03-02T06:00:00Z"),
        ("2026-03-02T08:00+02:00", "2026-03-02T06:00:00Z"),  # a plus sign that was not escaped
        ("2026-03-02T08:00Z", "2026-03-02T08:00:00Z"),
    ],
)
def test_a_time_without_an_offset_is_read_in_the_jobs_zone(
    sauron: Sauron, client: Client, written: str, at: str
) -> None:
    assert sauron.vitals is None
    assert client.get(f"/jobs/digest/why?at={written}").json["at"] == at


@pytest.mark.parametrize("at", ["yesterday", "2026-03-02", "2026-02-30T10:00"])
def test_what_is_no_time_is_400_with_an_example(sauron: Sauron, client: Client, at: str) -> None:
    assert sauron.vitals is None
    refused = client.get(f"/jobs/digest/why?at={at}")
    assert refused.status == 400
    assert refused.problem["parameter"] == "at"
    assert "Write for example 2026-01-31T08:00" in refused.problem["detail"]


def test_an_unknown_job_is_404_with_the_nearest_one(sauron: Sauron, client: Client) -> None:
    assert sauron.vitals is None
    refused = client.get("/jobs/nightly-backups/why")
    assert refused.status == 404
    assert "Did you mean nightly-backup?" in refused.problem["detail"]


def test_among_a_thousand_jobs_an_answer_takes_no_more_statements(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    def statements() -> int:
        before = seen[0]
        assert client.get("/jobs/nightly-backup/why?at=2026-03-03T03:00").status == 200
        return seen[0] - before

    from sqlalchemy import event

    seen = [0]

    def count(*_: object) -> None:
        seen[0] += 1

    event.listen(sauron.store.engine, "before_cursor_execute", count)
    few = statements()
    for number in range(30):
        define(sauron.store, clock, f"job-{number}", "*/5 * * * *")
    clock.move(hours=1)
    sauron.duties.tick()
    assert statements() == few


def test_a_switch_until_the_end_of_all_years_is_answered(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/nightly-backup/disable", {"until": "9999-12-31T23:59:59Z"})
    for query in ("", "?at=2026-03-03T03:00Z", "?at=2026-02-01T03:00Z"):
        answer = client.get(f"/jobs/nightly-backup/why{query}")
        assert answer.status == 200, answer.body
    assert client.get("/jobs/nightly-backup/why").json["answer"] == "disabled"


def test_the_very_instant_at_which_a_job_is_defined_is_answered(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "new", "0 3 * * *")
    at = clock.now().isoformat().replace("+00:00", "Z")
    answer = client.get(f"/jobs/new/why?at={at}")
    assert (answer.status, answer.json["answer"]) == (200, "not_due")
    assert "was in force only after" in answer.json["sentence"]
