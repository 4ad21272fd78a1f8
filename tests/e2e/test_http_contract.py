"""The HTTP contract, asked of a running process from outside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib import __version__
from tests.e2e.contract import JOB_KEYS, RUN_KEYS, problem
from tests.e2e.outside import SAMPLE, Repository, Serve, Served, gone, start, wait_for
from tests.loopback import NO_TLS


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Repository, str]]:
    """One running Sauron with the sample bundle: these tests leave it as usable as they found it."""
    folder = tmp_path_factory.mktemp("contract")
    repository = Repository(folder / "bundle")
    sha = repository.commit(SAMPLE)
    served = start(folder / "home", JOBS_GIT_REPO_URL=str(repository.folder), SAURON_KILL_GRACE_SECONDS="1")
    try:
        yield served.until_synced(), repository, sha
    finally:
        served.close()


@pytest.fixture
def served(there: tuple[Served, Repository, str]) -> Served:
    return there[0]


@pytest.fixture
def http(served: Served) -> httpx.Client:
    return served.http


def pids_of(served: Served, run_id: str) -> list[int]:
    line = wait_for(
        lambda: next((line for line in served.log(run_id).splitlines() if line.startswith("pids")), None),
        what="pids are told",
    )
    return [int(word) for word in line.split()[1:]]


def test_health_says_healthy_with_version_and_time(http: httpx.Client) -> None:
    answer = http.get("/health").json()
    assert answer["status"] == "healthy"
    assert answer["version"] == __version__
    assert answer["timestamp"].endswith("Z")
    assert datetime.fromisoformat(answer["timestamp"]).tzinfo is not None


BUILTIN_JOBS = 4


def test_status_holds_what_the_earlier_one_did_and_what_is_measured(
    there: tuple[Served, Repository, str],
) -> None:
    served, repository, sha = there
    answer = served.http.get("/status").json()
    assert answer["scheduler_running"] is True
    assert answer["jobs_count"] == 7 + BUILTIN_JOBS
    git = answer["git_sync_status"]
    assert {
        "current_sha",
        "last_sync",
        "last_error",
        "consecutive_failures",
        "repo_url",
        "branch",
        "local_path",
    } <= set(git)
    assert (git["current_sha"], git["branch"], git["repo_url"]) == (sha, "main", str(repository.folder))
    assert {"job_id", "cron", "next_run_at"} <= set(answer["next_runs"][0])
    assert answer["version"] == __version__
    assert len(answer["runners"]) == 1


def test_jobs_are_listed_with_every_field_and_filtered(http: httpx.Client) -> None:
    answer = http.get("/jobs").json()
    assert answer["count"] == len(answer["jobs"]) == 7 + BUILTIN_JOBS
    assert set(answer["jobs"][0]) >= JOB_KEYS
    assert {job["id"] for job in http.get("/jobs?enabled_only=true").json()["jobs"]} == {
        "hello", "greet", "fails", "slow", "children", "listing",
        "sauron.health", "sauron.retention", "sauron.backup",
    }  # fmt: skip
    assert len(http.get("/jobs?tag=builtin").json()["jobs"]) == BUILTIN_JOBS
    assert [job["id"] for job in http.get("/jobs?tag=t&project=p").json()["jobs"]] == ["hello"]
    greet = http.get("/jobs/greet").json()
    assert set(greet) >= JOB_KEYS
    assert len(greet["next_runs"]) == 5
    assert greet["timezone"] == "Europe/Berlin"
    assert "Monday to Friday" in greet["schedule_text"]


def test_a_trigger_runs_the_job_and_its_queue_id_is_the_runs_id_everywhere(served: Served) -> None:
    answer = served.http.post("/jobs/hello/trigger").json()
    assert {"job_id", "queued", "queue_id", "message"} <= set(answer)
    assert (answer["job_id"], answer["queued"]) == ("hello", True)
    run = served.ended(answer["queue_id"])
    assert set(run) >= RUN_KEYS
    assert (run["state"], run["origin"], run["attempt"]) == ("succeeded", "trigger", 1)
    assert run["result"]["summary"] == "said"
    assert served.log(run["id"]) == f"hello from {run['id']}\n"
    assert served.http.get("/jobs/hello").json()["last_run"]["id"] == run["id"]


def test_two_triggers_in_one_second_are_two_runs(served: Served) -> None:
    runs = [served.trigger("hello") for _ in range(2)]
    assert len(set(runs)) == 2
    assert {served.ended(run)["state"] for run in runs} == {"succeeded"}


def test_params_reach_the_job_and_those_that_do_not_fit_are_422(served: Served) -> None:
    run = served.ended(served.trigger("greet", params={"name": "Frodo", "times": 2}, reason="manners"))
    assert served.log(run["id"]) == "good day, Frodo\n" * 2
    assert (run["params"], run["reason"]) == ({"name": "Frodo", "times": 2}, "manners")
    assert "times" in problem(
        served.http.post("/jobs/greet/trigger", json={"params": {"name": "x", "times": 9}}), 422
    )


def test_an_idempotency_key_makes_a_repeated_trigger_harmless(served: Served) -> None:
    first, again = (
        served.http.post("/jobs/hello/trigger", headers={"Idempotency-Key": "k-1"}).json()["queue_id"]
        for _ in range(2)
    )
    assert first == again
    problem(
        served.http.post("/jobs/hello/trigger", json={"force": True}, headers={"Idempotency-Key": "k-1"}), 409
    )
    served.ended(first)


def test_unknown_disabled_and_malformed_are_404_400_and_400(http: httpx.Client) -> None:
    assert "nope" in problem(http.post("/jobs/nope/trigger"), 404)
    assert "idle" in problem(http.post("/jobs/idle/trigger"), 400)
    problem(http.get("/runs/nope"), 404)
    problem(http.post("/jobs/hello/trigger", content=b"{", headers={"Content-Type": "application/json"}), 400)
    problem(http.get("/runs?limit=0"), 400)
    problem(http.get("/no/such/path"), 404)
    problem(http.request("DELETE", "/jobs"), 405)
    problem(http.post("/sync", content=b" " * 70_000, headers={"Content-Type": "application/json"}), 413)


def test_a_switch_takes_effect_at_once_and_a_sync_leaves_it(http: httpx.Client) -> None:
    answer = http.post("/jobs/hello/disable", json={"reason": "quiet"}).json()
    assert (answer["job_id"], answer["enabled"]) == ("hello", False)
    assert http.post("/sync").json()["success"] is True
    job = http.get("/jobs/hello").json()
    assert (job["enabled"], job["next_run_at"], job["override"]["reason"]) == (False, None, "quiet")
    assert http.post("/jobs/hello/enable").json()["enabled"] is True
    assert http.get("/jobs/hello").json()["next_run_at"] is not None


def test_a_sync_changes_the_schedule_and_a_failing_one_is_200_and_leaves_it(
    there: tuple[Served, Repository, str],
) -> None:
    served, repository, first = there
    second = repository.commit({"manifest.py": SAMPLE["manifest.py"].replace("0 8 1 1 *", "30 8 1 1 *")})
    answer = served.http.post("/sync").json()
    assert set(answer) >= {"success", "message", "sha", "jobs_added", "jobs_removed", "jobs_rescheduled"}
    assert (answer["success"], answer["sha"], answer["rescheduled"]) == (True, second, ["hello"])
    assert [answer[name] for name in ("jobs_added", "jobs_removed", "jobs_rescheduled")] == [0, 0, 1]
    assert served.http.get("/jobs/hello").json()["cron"] == "30 8 1 1 *"
    repository.commit({"manifest.py": "this is no python\n"})
    failed = served.http.post("/sync")
    assert failed.status_code == 200
    assert failed.json()["success"] is False
    assert "manifest.py" in failed.json()["message"]
    status = served.http.get("/status").json()["git_sync_status"]
    assert (status["current_sha"], status["consecutive_failures"]) == (second, 1)
    assert status["last_error"]
    back = served.http.post("/rollback", json={"sha": first[:12]}).json()
    assert (back["success"], back["sha"]) == (True, first)
    repository.commit(SAMPLE)
    assert served.http.post("/sync").json()["success"] is True


def test_runs_are_paged_from_the_newest(served: Served) -> None:
    made = [served.trigger("hello") for _ in range(3)]
    for run in made:
        served.ended(run)
    page = served.http.get("/runs?job_id=hello&limit=2").json()
    assert [run["id"] for run in page["runs"]] == made[:0:-1]
    after = served.http.get(f"/runs?job_id=hello&limit=1&after={page['next_after']}").json()
    assert after["runs"][0]["id"] == made[0]
    assert {run["state"] for run in served.http.get("/runs?state=succeeded").json()["runs"]} == {"succeeded"}


def test_a_log_is_text_and_is_read_on_from_where_it_was_left(served: Served) -> None:
    run = served.ended(served.trigger("fails"))
    assert (run["state"], run["error_type"]) == ("failed", "ValueError")
    answer = served.http.get(f"/runs/{run['id']}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("before the end\n")
    rest = served.http.get(f"/runs/{run['id']}/log", params={"after": answer.headers["x-next-after"]})
    assert rest.text == ""


def test_a_cancel_ends_every_process_of_the_run(served: Served) -> None:
    run_id = served.trigger("children")
    pids = pids_of(served, run_id)
    assert served.http.post(f"/runs/{run_id}/cancel").status_code == 200
    assert served.ended(run_id)["state"] == "cancelled"
    wait_for(lambda: all(gone(pid) for pid in pids), what="no process is left")


def test_a_job_inherits_no_socket_of_the_api(served: Served) -> None:
    run_id = served.trigger("children")
    pids_of(served, run_id)
    files = wait_for(
        lambda: next((line for line in served.log(run_id).splitlines() if line.startswith("files")), None),
        what="files are told",
    )
    listening = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if " 0A " in line
    }
    assert listening
    assert not listening & set(files.split())
    served.http.post(f"/runs/{run_id}/cancel")
    served.ended(run_id)


def test_a_retry_is_a_new_run_with_the_same_params(served: Served) -> None:
    first = served.ended(served.trigger("greet", params={"name": "Sam"}))
    again = served.http.post(f"/runs/{first['id']}/retry").json()["run_id"]
    run = served.ended(again)
    assert again != first["id"]
    assert (run["params"], run["origin"]) == ({"name": "Sam"}, "retry")


def test_next_lists_the_coming_runs_over_all_jobs_soonest_first(http: httpx.Client) -> None:
    found = http.get("/next?count=900").json()["next_runs"]
    times = [one["next_run_at"] for one in found]
    assert len(found) == 900
    assert times == sorted(times)
    assert {"listing", "greet"} <= {one["job_id"] for one in found}


def test_the_page_is_html_with_our_own_script_alone(served: Served) -> None:
    served.ended(served.trigger("hello"))
    answer = served.http.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    (script,) = re.findall(r"<script[^>]*>", answer.text)
    assert re.search(r' src="/ui/script/[0-9a-f]{32}"', script)
    assert "hello" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/status", "/jobs", "/jobs/hello", "/runs", "/next", "/audit", "/"]
)
def test_head_is_answered_wherever_get_is(http: httpx.Client, path: str) -> None:
    head = http.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_the_audit_finds_no_hole(http: httpx.Client) -> None:
    answer = http.get("/audit").json()
    assert (answer["clean"], answer["holes"]) == (True, [])


def test_a_token_opens_what_its_scope_reaches_and_no_answer_repeats_it(
    serve: Serve, repository: Repository
) -> None:
    repository.commit(SAMPLE)
    tokens = "grafana:read:read-only-1,jarvis:operate:operating-1"
    served = serve(SAURON_API_TOKENS=tokens, JOBS_GIT_TOKEN="git-token-123")
    wait_for(lambda: "page and API" in served.said(), what="it is up")
    url = served.said().split("page and API")[1].split()[0]

    def ask(method: str, path: str, token: str | None = None) -> httpx.Response:
        headers: dict[str, Any] = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, url + path, headers=headers, timeout=30, trust_env=False, verify=NO_TLS)

    assert ask("GET", "/health").status_code == 200
    assert "WWW-Authenticate" in ask("GET", "/status").headers
    assert ask("GET", "/status").status_code == ask("GET", "/status", "wrong-token").status_code == 401
    wait_for(
        lambda: ask("GET", "/status", "read-only-1").json()["git_sync_status"]["current_sha"],
        what="it synced",
    )
    refused = ask("POST", "/jobs/hello/trigger", "read-only-1")
    assert "trigger" in problem(refused, 403)
    made = ask("POST", "/jobs/hello/trigger", "operating-1")
    assert made.status_code == 200
    run = ask("GET", f"/runs/{made.json()['queue_id']}", "read-only-1").json()
    assert run["requested_by"] == "jarvis"
    status = ask("GET", "/status", "read-only-1")
    assert status.json()["api_open"] is False
    everything = status.text + refused.text + str(refused.headers) + served.logged() + served.said()
    for secret in ("read-only-1", "operating-1", "git-token-123"):
        assert secret not in everything
