"""The HTTP contract."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chalicelib import __version__
from tests.e2e.contract import JOB_KEYS, problem

from .target import Target
from .world import TOKENS, World, token_of

GIT_KEYS = {
    "current_sha",
    "last_sync",
    "last_error",
    "consecutive_failures",
    "repo_url",
    "branch",
    "local_path",
}
STATUS_KEYS = {
    *(
        "scheduler_running",
        "jobs_count",
        "git_sync_status",
        "next_runs",
        "queue",
        "last_tick",
        "rejected",
        "outbox",
    ),
    *("runners", "version", "api_open", "warnings"),
}
NEEDS = {
    ("GET", "/status"): "read",
    ("POST", "/jobs/idle/trigger"): "trigger",  # 400: it is disabled
    ("POST", "/jobs/no-job/disable"): "operate",
    ("POST", "/rollback"): "operate",
}


def test_health_says_healthy_with_version_and_time_and_needs_no_token(target: Target) -> None:
    answer = target.get("/health", token=None)
    assert (answer["status"], answer["version"]) == ("healthy", __version__)
    assert datetime.fromisoformat(answer["timestamp"]).tzinfo is not None


def test_ready_has_a_line_for_each_part(target: Target) -> None:
    answer = target.get("/ready")
    assert answer["ready"] is True
    assert {"store", "clock", "workers", "bundle"} <= set(answer["parts"])


def test_status_holds_what_the_earlier_one_did_and_what_is_measured(world: World) -> None:
    answer = world.target.get("/status")
    assert set(answer) >= STATUS_KEYS
    assert answer["scheduler_running"] is True
    git = answer["git_sync_status"]
    assert set(git) >= GIT_KEYS
    assert (git["branch"], git["repo_url"], git["last_error"]) == (
        "main",
        f"{world.git.url}/bundle/.git",
        None,
    )
    assert len(git["current_sha"]) == 40
    assert {"job_id", "cron", "next_run_at"} <= set(answer["next_runs"][0])
    assert (answer["version"], answer["api_open"]) == (__version__, False)


def test_jobs_are_listed_with_every_field_and_filtered(target: Target) -> None:
    answer = target.get("/jobs")
    ids = [job["id"] for job in answer["jobs"]]
    assert answer["count"] == len(ids) == target.get("/status")["jobs_count"]
    assert ids == sorted(ids)
    assert all(set(job) >= JOB_KEYS for job in answer["jobs"])
    assert "idle" not in {job["id"] for job in target.get("/jobs?enabled_only=true")["jobs"]}
    assert [job["id"] for job in target.get("/jobs?tag=t&project=p")["jobs"]] == ["hello"]


def test_a_job_is_answered_with_its_next_five_runs_in_its_zone(target: Target) -> None:
    greet = target.get("/jobs/greet")
    assert set(greet) >= JOB_KEYS | {"next_runs", "success_rate", "durations"}
    assert [one[5:16] for one in greet["next_runs"]] == ["01-01T07:00"] * 5
    assert greet["schedule_text"]


def test_next_lists_the_coming_runs_soonest_first(target: Target) -> None:
    times = [one["next_run_at"] for one in target.get("/next?count=30")["next_runs"]]
    assert len(times) == 30
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/no-job", 404),
        ("POST", "/jobs/no-job/trigger", 404),
        ("GET", "/runs/no-run", 404),
        ("GET", "/runs?limit=0", 400),
        ("POST", "/jobs/idle/trigger", 400),
        ("POST", "/rollback", 422),
    ],
)
def test_a_refusal_is_a_problem_with_its_detail(target: Target, method: str, path: str, status: int) -> None:
    assert problem(target.ask(method, path), status)


def test_a_body_that_cannot_be_used_is_refused(target: Target) -> None:
    json_type = {"Content-Type": "application/json"}
    problem(target.ask("POST", "/sync", content=b"{", headers=json_type), 400)
    problem(target.ask("POST", "/sync", json={"reff": "main"}), 422)
    problem(target.ask("POST", "/sync", content=b" " * 70_000, headers=json_type), 413)


@pytest.mark.parametrize("needed", NEEDS.items(), ids=lambda one: f"{one[0][1]}")
def test_a_token_opens_what_its_scope_reaches(target: Target, needed: tuple[tuple[str, str], str]) -> None:
    (method, path), scope = needed
    assert target.ask(method, path, token=None).status_code == 401
    assert "Bearer" in problem(target.ask(method, path, token="wrong-token"), 401)
    scopes = list(TOKENS.values())
    for name, its in TOKENS.items():
        answer = target.ask(method, path, token=token_of(name))
        if scopes.index(its) < scopes.index(scope):
            assert scope in problem(answer, 403)
        else:
            assert answer.status_code not in {401, 403}


def test_runs_are_paged_from_the_newest(target: Target) -> None:
    made = [target.trigger("hello") for _ in range(3)]
    for run_id in made:
        target.ended(run_id)
    page = target.get("/runs?job_id=hello&limit=2")
    assert [run["id"] for run in page["runs"]] == made[:0:-1]
    rest = target.get(f"/runs?job_id=hello&limit=1&after={page['next_after']}")
    assert rest["runs"][0]["id"] == made[0]
    assert {run["state"] for run in target.get("/runs?state=succeeded")["runs"]} == {"succeeded"}


def test_why_plan_and_simulation_are_answered_everywhere(target: Target) -> None:
    due = target.get("/jobs/hello/why")
    assert due["answer"] in {"ran", "running", "queued", "due"}
    assert due["sentence"]
    later = target.get("/jobs/hello/why?at=2050-03-02T08:00:00Z")
    assert (later["answer"], later["job_id"]) in {("due", "hello"), ("not_due", "hello")}
    assert target.get("/jobs/idle/why")["answer"] == "disabled"
    planned = target.post("/plan", {"days": 1})
    assert (planned["to"], planned["jobs"]) == (planned["from"], [])
    simulated = target.get("/simulate?from=2050-03-02T00:00:00Z&to=2050-03-02T01:00:00Z&workers=1")
    assert simulated["summary"]["runs"] == len([one for one in simulated["runs"] if one["state"] == "ran"])


def test_metrics_and_the_openapi_document_are_the_same_everywhere(target: Target) -> None:
    target.ended(target.trigger("hello"))
    scraped = target.ask("GET", "/metrics").text
    names = {family.name for family in text_string_to_metric_families(scraped) if family.samples}
    assert {"sauron_build_info", "sauron_runs", "sauron_job_next_run_timestamp_seconds"} <= names
    assert re.search(r'sauron_runs_total{job_id="hello",state="succeeded"} [1-9]', scraped)
    assert target.get("/openapi.json", token=None)["openapi"] == "3.1.0"


@pytest.mark.parametrize("path", ["/health", "/status", "/jobs", "/jobs/hello", "/runs", "/audit", "/"])
def test_head_is_answered_wherever_get_is(target: Target, path: str) -> None:
    head: httpx.Response = target.ask("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")


def test_the_page_is_html_with_our_own_script_alone(target: Target) -> None:
    answer = target.ask("GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    (script,) = re.findall(r"<script[^>]*>", answer.text)
    (address,) = re.findall(r' src="([^"]+)"', script)
    asked = target.ask("GET", address[address.index("/ui/") :])
    assert asked.headers["content-type"].startswith("text/javascript")
    assert "hello" in answer.text
