"""Two runners share a PostgreSQL store: no leader, no run twice, and one takes up what the other leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import __version__
from tests.e2e.outside import SAMPLE, Cli, Repository, Serve, wait_for
from tests.life_hub import Server, ask


@pytest.fixture
def store_url() -> Iterator[str]:
    server = Server()
    yield server.url().replace("+psycopg", "")
    server.close()


def test_two_runners_share_the_work_and_each_run_is_run_once(
    serve: Serve, repository: Repository, cli: Cli, store_url: str
) -> None:
    repository.commit(SAMPLE)
    one, two = (
        serve(folder, JOB_QUEUE_DB_URL=store_url, SAURON_WORKERS="2").until_synced()
        for folder in ("one", "two")
    )
    wait_for(lambda: len(one.http.get("/status").json()["runners"]) == 2, what="each sees both runners")
    asked = [(one, two)[number % 2].trigger("hello", force=True) for number in range(30)]
    ended = [one.ended(run_id) for run_id in asked]
    assert {run["state"] for run in ended} == {"succeeded"}
    assert {len(run["attempts"]) for run in ended} == {1}
    assert len({run["attempts"][0]["runner"] for run in ended}) == 2
    assert all(two.log(run_id) == f"hello from {run_id}\n" for run_id in asked)
    assert ask(store_url, "SELECT count(*) FROM attempts") == [(30,)]
    one.http.post("/jobs/hello/disable")
    assert two.http.get("/jobs/hello").json()["enabled"] is False
    assert cli("audit", folder="one", JOB_QUEUE_DB_URL=store_url).code == 0
    assert (one.stop(), two.stop()) == (0, 0)


def test_a_trigger_at_one_runner_starts_at_once_at_another(
    serve: Serve, repository: Repository, store_url: str
) -> None:
    repository.commit(SAMPLE)
    idle = serve("idle", JOB_QUEUE_DB_URL=store_url, JOB_QUEUE_ENABLED="0").until_synced()
    serve("busy", JOB_QUEUE_DB_URL=store_url).until_synced()
    wait_for(lambda: len(idle.http.get("/status").json()["runners"]) == 2, what="both are there")
    run = idle.ended(idle.trigger("hello"))  # without the notifier it would wait for up to a minute
    assert run["state"] == "succeeded"
    pids = {one["name"]: one["pid"] for one in idle.http.get("/status").json()["runners"]}
    assert pids[run["attempts"][0]["runner"]] != idle.process.pid


def test_a_drained_runner_claims_nothing_until_it_is_resumed(
    serve: Serve, repository: Repository, cli: Cli, store_url: str
) -> None:
    sha = repository.commit(SAMPLE)
    one, two = (serve(folder, JOB_QUEUE_DB_URL=store_url).until_synced() for folder in ("one", "two"))

    def runners() -> dict[int, dict[str, Any]]:
        return {runner["pid"]: runner for runner in one.http.get("/status").json()["runners"]}

    wait_for(lambda: len(runners()) == 2, what="each sees both runners")
    name = runners()[two.process.pid]["name"]
    assert cli("drain", name, folder="one", JOB_QUEUE_DB_URL=store_url).code == 0
    assert runners()[two.process.pid]["draining"] is True
    assert (
        runners()[one.process.pid] | {"version": __version__, "draining": False} == runners()[one.process.pid]
    )
    ended = [one.ended(one.trigger("hello", force=True)) for _ in range(10)]
    assert {run["attempts"][0]["runner"] for run in ended} == {runners()[one.process.pid]["name"]}
    wait_for(
        lambda: {runner["revision"] for runner in runners().values()} == {sha},
        what="both loaded it",
        seconds=90,
    )
    one.http.post(f"/runners/{runners()[one.process.pid]['name']}/drain")
    one.http.post(f"/runners/{name}/resume")
    assert one.ended(one.trigger("hello"))["attempts"][0]["runner"] == name
    unknown = one.http.post("/runners/nobody/drain")
    assert (unknown.status_code, name in unknown.json()["detail"]) == (404, True)


def test_a_runner_takes_up_what_a_killed_one_left(
    serve: Serve, repository: Repository, store_url: str
) -> None:
    repository.commit(
        SAMPLE
        | {
            "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.sample import slow
job_registry.register(
    JobConfig(id="slow", cron="0 8 1 * *", func=slow, max_attempts=2, retry_backoff_seconds=0))
"""
        }
    )
    # one machine: locks are seen
    shared = {"JOB_QUEUE_DB_URL": store_url, "JOBS_DIR": str(repository.folder.parent / "jobs")}
    first = serve("first", **shared).until_synced()
    run_id = first.trigger("slow")
    wait_for(lambda: "begun" in first.log(run_id), what="it runs")
    go = repository.folder.parent / "go"
    second = serve("second", **shared, GO_FILE=str(go)).until_synced()
    first.process.send_signal(signal.SIGKILL)
    go.touch()
    run = second.ended(run_id)
    assert [one["outcome"] for one in run["attempts"]] == ["interrupted", "succeeded"]
