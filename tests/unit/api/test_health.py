from __future__ import annotations

import dataclasses
import re

import pytest
from sqlalchemy.exc import OperationalError

from chalicelib import __version__, wiring
from chalicelib.store import bundle, runners
from chalicelib.store.queue import claims, pools
from chalicelib.wakeup.vitals import Vitals
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client
from tests.unit.api.conftest import Build


def running_here(sauron: Sauron) -> tuple[Sauron, Vitals]:
    """The same, as a runner's process has it."""
    vitals = Vitals(sauron.clock)
    ours = dataclasses.replace(sauron, vitals=vitals)
    wiring.PROCESS.set(ours)
    return ours, vitals


def test_a_drained_runner_that_executes_a_job_is_shown_with_it_at_once(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "long")
    sauron.membership.join()
    sauron.operations.trigger("long")
    with sauron.store.write() as tx:
        assert claims.claim(tx, owner=sauron.name, now=clock.now()).run
        assert runners.drain(tx, sauron.name, draining=True)
    (shown,) = client.get("/status").json["runners"]
    assert (shown["draining"], shown["running"]) == (True, 1)


def test_health_says_healthy_with_version_and_time(sauron: Sauron, client: Client) -> None:
    answer = client.get("/health")
    assert answer.status == 200
    assert answer.json == {"status": "healthy", "version": __version__, "timestamp": "2026-03-02T12:00:30Z"}


def test_health_is_answered_before_anything_was_built(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_QUEUE_DB_URL", "postgresql://me@127.0.0.1:9/away")
    wiring.PROCESS.set(None)
    assert client.get("/health").json["status"] == "healthy"
    assert wiring.PROCESS.built is None


@pytest.mark.parametrize("word", ["clock", "workers"])
def test_health_is_503_when_the_clock_or_the_workers_stopped(
    sauron: Sauron, client: Client, clock: ManualClock, word: str
) -> None:
    _, vitals = running_here(sauron)
    assert client.get("/health").status == 200
    clock.move(minutes=2)
    vitals.ticked() if word == "workers" else vitals.looked()
    assert client.get("/health").status == 200
    clock.move(minutes=2)
    answer = client.get("/health")
    assert (answer.status, answer.json["status"]) == (503, "unhealthy")
    assert word in answer.json["detail"]


LOCKED = OperationalError("BEGIN", {}, Exception("database is locked"))


def test_a_store_that_refuses_is_told_by_ready_status_and_page_but_needs_no_restart(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    ours, vitals = running_here(sauron)
    for note in (vitals.ticked, vitals.claimed, vitals.wrote):
        note()
    clock.move(seconds=20)
    assert client.get("/ready").status == 200
    assert "All is well" in client.get("/").body
    footer = re.sub("<[^>]*>", "", client.get("/").body.partition("<footer")[2])
    assert "last tick 20 s ago, last claim 20 s ago, last write 20 s ago" in footer
    vitals.refused(LOCKED)
    vitals.claim_failed(LOCKED)
    clock.move(minutes=4)
    vitals.refused(LOCKED)
    clock.move(seconds=30)
    ready = client.get("/ready")
    assert ready.status == 503
    assert ready.json["parts"] | {"bundle": ""} == {
        "store": "no write has worked for 4 min 50 s; the last write failed 30 s ago: database is locked",
        "clock": "no tick has worked for 4 min 50 s",
        "workers": "the last claim failed 4 min 30 s ago: database is locked",
        "bundle": "",
    }
    status = client.get("/status").json
    assert status["scheduler_running"] is False
    assert status["last_worked"]["write"] == {
        "age_seconds": 290.0,
        "failed": {"age_seconds": 30.0, "reason": "database is locked"},
    }
    assert status["last_worked"]["tick"] == {"age_seconds": 290.0, "failed": None}
    assert status["degraded"] == [
        "No write has worked for 4 min 50 s; the last write failed 30 s ago: database is locked.",
        "No tick has worked for 4 min 50 s.",
    ]
    page = client.get("/").body
    assert "All is well" not in page
    assert "the last write failed 30 s ago: database is locked" in page
    assert client.get("/health").status == 200
    for note in (vitals.ticked, vitals.claimed, vitals.wrote):
        note()
    assert client.get("/ready").status == 200
    assert client.get("/status").json["degraded"] == []
    assert ours.vitals is vitals


def test_the_first_write_that_fails_makes_it_not_ready_at_once(sauron: Sauron, client: Client) -> None:
    _, vitals = running_here(sauron)
    vitals.ticked()
    vitals.wrote()
    vitals.refused(LOCKED)
    assert client.get("/ready").json["parts"]["store"] == (
        "the last write failed 0.0 s ago: database is locked"
    )


def test_a_process_without_threads_measures_none_of_them(sauron: Sauron, client: Client) -> None:
    status = client.get("/status").json
    assert (sauron.vitals, status["last_worked"], status["degraded"]) == (None, None, [])


def test_a_runner_whose_pools_have_other_sizes_than_those_in_force_says_so(
    sauron: Sauron, client: Client
) -> None:
    running_here(sauron)
    before = client.get("/status").json["warnings"]
    with sauron.store.write() as tx:
        pools.keep_sizes(tx, {"db": 2, "api": 4})
    (warning,) = [one for one in client.get("/status").json["warnings"] if one not in before]
    assert warning.startswith("SAURON_POOLS of this runner says nothing, but api:4,db:2 is in force")


def test_a_runner_that_drains_is_not_ready(sauron: Sauron, client: Client) -> None:
    sauron.membership.join()
    sauron.duties.tick()
    assert client.get("/ready").status == 200
    with sauron.store.write() as tx:
        assert runners.drain(tx, sauron.name, draining=True)
    answer = client.get("/ready")
    assert answer.status == 503
    assert "draining" in answer.json["parts"]["workers"]


def test_health_does_not_depend_on_git(sauron: Sauron, client: Client) -> None:
    with sauron.store.write() as tx:
        bundle.change(tx, last_error="git is down", consecutive_failures=9)
    assert client.get("/health").status == 200


def test_ready_has_a_line_for_each_part(sauron: Sauron, client: Client) -> None:
    before = client.get("/ready")
    assert (before.status, before.json["ready"]) == (503, False)
    assert "no tick" in before.json["parts"]["clock"]
    sauron.membership.join()
    sauron.duties.tick()
    after = client.get("/ready")
    assert (after.status, after.json["ready"]) == (200, True)
    assert set(after.json["parts"]) == {"store", "clock", "workers", "bundle"}


def test_scheduler_running_is_measured(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    assert client.get("/status").json["scheduler_running"] is False
    sauron.membership.join()
    sauron.duties.tick()
    assert client.get("/status").json["scheduler_running"] is True
    clock.move(minutes=4)
    late = client.get("/status").json
    assert (late["scheduler_running"], late["last_tick"]["age_seconds"]) == (False, 240.0)
    running_here(sauron)
    assert client.get("/status").json["scheduler_running"] is True


def test_status_says_what_an_operator_asks_first(build: Build, client: Client, clock: ManualClock) -> None:
    sauron = build(
        JOBS_GIT_REPO_URL="https://x-access-token:ghp_verysecret@git.test/team/jobs.git?key=abc",
        JOBS_GIT_TOKEN="ghp_verysecret",
        JOBS_GIT_BRANCH="live",
    )
    rejected = [{"job_id": "bad", "place": "manifest.py:7", "reason": "cron has 4 fields"}]
    with sauron.store.write() as tx:
        bundle.change(
            tx,
            active_sha="b" * 40,
            pinned_ref="v1",
            last_sync=clock.now(),
            last_error="fetch with ghp_verysecret failed",
            consecutive_failures=2,
        )
        bundle.add_revision(tx, "b" * 40, [], rejected, subject=None, author=None, now=clock.now())
        runners.runner_seen(tx, runners.Runner("r1", "box", 7, "3", clock.now(), clock.now()))
    answer = client.get("/status")
    said = answer.json
    assert "verysecret" not in answer.body
    assert said["git_sync_status"] == {
        "current_sha": "b" * 40,
        "last_sync": "2026-03-02T12:00:30Z",
        "last_error": "fetch with *** failed",
        "consecutive_failures": 2,
        "repo_url": "https://git.test/team/jobs.git",
        "branch": "live",
        "local_path": str(sauron.settings.jobs_dir),
        "pinned_ref": "v1",
        "subject": None,
        "author": None,
        "install_log": None,
    }
    assert said["rejected"] == rejected
    assert (said["jobs_count"], said["next_runs"], said["version"]) == (0, [], __version__)
    assert (said["queue"]["queued"], said["queue"]["running"]) == (0, 0)
    assert said["runners"][0]["name"] == "r1"
    assert said["api_open"] is True
    assert "SAURON_API_TOKENS" in said["warnings"][0]


def test_status_shows_the_next_runs_soonest_first(sauron: Sauron, client: Client) -> None:
    assert client.get("/status").json["next_runs"] == [
        {"job_id": "nightly-backup", "cron": "0 3 * * *", "next_run_at": "2026-03-03T03:00:00Z"}
    ]


def test_answering_http_builds_no_loader(build: Build, client: Client, clock: ManualClock) -> None:
    sauron = build(JOBS_GIT_REPO_URL="/nowhere/bundle", SAURON_API_TOKENS="")
    define(sauron.store, clock, "crm", secrets=[{"key": "CRM_TOKEN", "required": True}])
    with sauron.store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
    assert client.get("/status").json["missing_secrets"] == [{"job_id": "crm", "missing": ["CRM_TOKEN"]}]
    assert client.post("/jobs/crm/trigger", {"reason": "to see"}).status == 200
    for path in ("/health", "/ready", "/jobs", "/jobs/crm", "/runs", "/alerts", "/audit", "/next"):
        assert client.get(path).status in {200, 404, 503}, path
    assert sauron.revisions.built is None
