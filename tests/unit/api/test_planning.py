from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer, execute
from tests.unit.api.conftest import Build


def test_without_a_bundle_there_is_no_revision_to_compare(sauron: Sauron, client: Client) -> None:
    assert "JOBS_GIT_REPO_URL" in client.post("/plan", {"days": 3}).problem["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"days": 0}, "days: send at least 1"),
        ({"days": 367}, "days: send at most 366"),
        ({"days": "3"}, "days: send a whole number"),
        ({"days": True}, "days: send a whole number"),
        ({"ref": ""}, "ref: it is empty"),
        ({"ref": 7}, "ref: send a text"),
        ({"branch": "x"}, "branch: this member does not exist here"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_by_name(
    body: object, said: str, sauron: Sauron, client: Client
) -> None:
    problem = client.post("/plan", body).problem
    assert problem["status"] == 422
    assert said in problem["faults"][0]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("from=2026-03-03T00:00:00Z&to=2026-03-03T00:00:00Z", 422, "is not after"),
        ("to=2027-05-01T00:00:00Z", 422, "over 366 days"),
        ("to=soon", 400, "is not a valid time"),
        ("workers=0", 400, "is not a whole number from 1"),
        ("pessimistic=perhaps", 400, "is not true or false"),
        ("days=3", 400, "does not exist here"),
    ],
)
def test_a_simulation_that_does_not_fit_is_refused_by_name(
    query: str, status: int, said: str, sauron: Sauron, client: Client
) -> None:
    problem = client.get(f"/simulate?{query}").problem
    assert (problem["status"], said in problem["detail"]) == (status, True)


def test_both_need_no_more_than_the_scope_read(build: Build) -> None:
    build(SAURON_API_TOKENS="grafana:read:a-long-token-to-read-with")
    reader = bearer("a-long-token-to-read-with")
    assert reader.post("/plan").status == 409  # no bundle
    assert reader.get("/simulate").status == 200
    assert Client().post("/plan").status == Client().get("/simulate").status == 401


def test_a_simulation_takes_the_median_of_the_good_runs_and_the_workers_of_the_settings(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(SAURON_WORKERS="3")
    define(sauron.store, clock, "nightly-backup", "0 3 * * *")
    for seconds, outcome in ((10, "succeeded"), (30, "degraded"), (1000, "failed"), (80, "succeeded")):
        client.post("/jobs/nightly-backup/trigger", {"reason": "to measure"})
        execute(sauron, clock, Verdict(Outcome(outcome)), seconds=seconds)
    found = client.get("/simulate").json
    (run,) = found["runs"]
    assert (run["starts_at"], run["ends_at"]) == ("2026-03-03T03:00:00Z", "2026-03-03T03:00:30Z")
    assert (found["workers"], found["summary"]["busy_share"]) == (3, round(30 / (3 * 86400), 6))
    assert client.get("/simulate?pessimistic=true&workers=1").json["runs"][0]["ends_at"].endswith("03:01:20Z")
    assert client.get("/simulate").body == client.get("/simulate").body


@pytest.mark.slow
def test_only_the_newest_hundred_good_runs_count(build: Build, client: Client, clock: ManualClock) -> None:
    sauron = build()
    define(sauron.store, clock, "nightly-backup", "0 3 * * *")
    for number in range(101):
        client.post("/jobs/nightly-backup/trigger")
        execute(sauron, clock, Verdict(Outcome.SUCCEEDED), seconds=5000 if number == 0 else 2)
    found = client.get("/simulate?pessimistic=true").json
    assert [(one["seconds"], one["runs"]) for one in found["durations"]] == [(2.0, 100)]
    begins = (clock.now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert client.get(f"/simulate?from={begins}").json["from"] == begins
