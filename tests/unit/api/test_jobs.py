from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chalicelib.clock import iso
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import bundle, history, ledger, registry
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, bearer, execute
from tests.unit.api.conftest import Build


def test_jobs_are_listed_with_what_people_need_to_know(sauron: Sauron, client: Client) -> None:
    answer = client.get("/jobs")
    assert answer.status == 200
    assert answer.json["count"] == 2
    digest, backup = answer.json["jobs"]
    assert {
        name: backup[name] for name in ("id", "cron", "enabled", "timeout_seconds", "tags", "project")
    } == {
        "id": "nightly-backup",
        "cron": "0 3 * * *",
        "enabled": True,
        "timeout_seconds": 300,
        "tags": ["ops"],
        "project": "infra",
    }
    assert backup["next_run_at"] == "2026-03-03T03:00:00Z"
    assert "03:00" in backup["schedule_text"]
    assert (digest["enabled"], digest["next_run_at"], digest["timezone"]) == (False, None, "Europe/Berlin")
    assert (digest["override"], digest["description"]) == (None, "")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("enabled_only=true", ["nightly-backup"]),
        ("enabled_only=false", ["digest", "nightly-backup"]),
        ("tag=ops", ["nightly-backup"]),
        ("tag=none", []),
        ("project=infra&enabled_only=1", ["nightly-backup"]),
    ],
)
def test_jobs_are_filtered(sauron: Sauron, client: Client, query: str, ids: list[str]) -> None:
    assert [job["id"] for job in client.get(f"/jobs?{query}").json["jobs"]] == ids


def test_jobs_are_paged_in_the_order_of_their_ids_when_a_limit_is_sent(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for job_id in ("a-first", "m_1", "m.2", "z"):
        define(sauron.store, clock, job_id, "0 3 * * *", tags=["more"])
    whole = client.get("/jobs").json
    assert (whole["count"], whole["next_after"]) == (6, None)
    seen, path = [], "/jobs?limit=4"
    for size in (4, 2):
        page = client.get(path).json
        assert page["count"] == size
        seen += page["jobs"]
        path = f"/jobs?limit=4&after={page['next_after']}"
    assert page["next_after"] is None
    assert seen == whole["jobs"]
    assert client.get("/jobs?limit=6").json["next_after"] is None
    more = client.get("/jobs?tag=more&limit=2").json
    rest = client.get(f"/jobs?tag=more&after={more['next_after']}").json
    assert (more["count"], rest["count"], rest["next_after"]) == (2, 2, None)
    assert client.get("/jobs?after=zz").json == {"jobs": [], "count": 0, "next_after": None}


def test_one_job_shows_its_next_five_runs_and_how_it_went(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for outcome in (Outcome.SUCCEEDED, Outcome.DEGRADED):
        client.post("/jobs/nightly-backup/trigger")
        execute(sauron, clock, Verdict(outcome), seconds=4)
    job = client.get("/jobs/nightly-backup").json
    assert job["next_runs"] == [f"2026-03-0{day}T03:00:00Z" for day in (3, 4, 5, 6, 7)]
    assert job["success_rate"] == 1.0
    assert job["durations"] == {"count": 2, "median_seconds": 4.0, "max_seconds": 4.0}
    assert job["last_run"]["state"] == "degraded"


def test_an_unknown_job_is_404_with_the_nearest_name(sauron: Sauron, client: Client) -> None:
    answer = client.get("/jobs/nightly-bakup")
    assert answer.status == 404
    assert "Did you mean nightly-backup?" in answer.problem["detail"]
    for act in ("trigger", "enable", "disable"):
        assert client.post(f"/jobs/nope/{act}").problem["status"] == 404


@pytest.mark.parametrize("revision", ["b" * 40, None])
def test_a_job_that_left_its_bundle_is_404_with_when_in_which_revision_and_where_its_runs_are(
    sauron: Sauron, client: Client, clock: ManualClock, revision: str | None
) -> None:
    run_id = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    execute(sauron, clock, Verdict(Outcome.FAILED))
    gone_at = clock.now()
    with sauron.store.write() as tx:
        job = registry.job(tx, "nightly-backup")
        assert job is not None
        ledger.retire(tx, job, now=gone_at)
        for sha in filter(None, ("a" * 40, revision)):
            bundle.add_revision(tx, sha, [], [], subject=None, author=None, now=gone_at)
        bundle.mark_activated(tx, "a" * 40, now=gone_at - timedelta(hours=1))
        if revision:
            bundle.mark_activated(tx, revision, now=gone_at)
    clock.move(hours=3)
    answers = [client.get("/jobs/nightly-backup"), client.post(f"/runs/{run_id}/retry")]
    answers += [client.post(f"/jobs/nightly-backup/{act}") for act in ("trigger", "enable", "disable")]
    for answer in answers:
        assert answer.status == 404
        problem = answer.problem
        assert "Job 'nightly-backup' was removed" in problem["detail"]
        assert iso(gone_at) in problem["detail"]
        assert ("b" * 12 in problem["detail"]) is bool(revision)
        assert "a" * 12 not in problem["detail"]
        assert "/runs?job_id=nightly-backup" in problem["detail"]
        assert (problem["job_id"], problem["removed_at"]) == ("nightly-backup", iso(gone_at))
    assert [job["id"] for job in client.get("/jobs").json["jobs"]] == ["digest"]
    assert [run["id"] for run in client.get("/runs?job_id=nightly-backup").json["runs"]] == [run_id]


def test_a_trigger_is_stored_before_it_is_answered(sauron: Sauron, client: Client) -> None:
    answer = client.post(
        "/jobs/nightly-backup/trigger", {"reason": "before the upgrade", "params": {"day": "ü"}}
    )
    assert answer.status == 200
    said = answer.json
    assert (said["job_id"], said["queued"]) == ("nightly-backup", True)
    assert said["queue_id"] in said["message"]
    with sauron.store.read() as tx:
        run = history.run(tx, said["queue_id"])
    assert run is not None
    assert (run.params, run.reason, run.state) == ({"day": "ü"}, "before the upgrade", "queued")


def test_a_trigger_needs_no_body_and_no_content_type(sauron: Sauron, client: Client) -> None:
    assert client.ask("POST", "/jobs/nightly-backup/trigger").json["queued"] is True
    assert client.ask("POST", "/jobs/nightly-backup/trigger", b'{"force": true}').json["queued"] is True
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.ask("POST", "/jobs/nightly-backup/trigger", b"", form).json["queued"] is True
    assert client.post("/jobs/nightly-backup/trigger", {}).json["queued"] is True


def test_two_triggers_at_once_are_two_runs(sauron: Sauron, client: Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.post("/jobs/nightly-backup/trigger"), range(16)))
    assert len({answer.json["queue_id"] for answer in answers}) == 16
    assert client.get("/runs").json["count"] == 16


def test_an_idempotency_key_makes_one_run(sauron: Sauron, client: Client) -> None:
    path, key = "/jobs/nightly-backup/trigger", {"Idempotency_Key": "monday"}
    first, again = client.post(path, **key), client.post(path, **key)
    assert first.json["queue_id"] == again.json["queue_id"]
    other = client.post(path, {"params": {"a": 1}}, **key)
    assert other.status == 409
    assert "monday" in other.problem["detail"]
    assert client.post(path, Idempotency_Key="x" * 256).problem["status"] == 400


@pytest.mark.parametrize(
    ("bare", "quoted"),
    [
        ("k2", '"k2"'),
        ("k2", ' "k2" '),
        ('a"b', r'"a\"b"'),
        (r"a\b", r'"a\\b"'),
        ("é".encode().hex(), '"c3a9"'),
    ],
)
def test_a_quoted_idempotency_key_is_the_key_without_its_quotes(
    sauron: Sauron, client: Client, bare: str, quoted: str
) -> None:
    path = "/jobs/nightly-backup/trigger"
    made = {client.post(path, Idempotency_Key=key).json["queue_id"] for key in (bare, quoted, bare)}
    assert len(made) == 1


@pytest.mark.parametrize(
    "key", ["", '""', '"', '"k2', '"k"2"', '"k2", "k3"', '"k2";a=1', r'"a\b"', "k 2", "k\t2", "ké", '"ké"']
)
def test_a_key_that_is_neither_bare_nor_quoted_is_400(sauron: Sauron, client: Client, key: str) -> None:
    said = client.post("/jobs/nightly-backup/trigger", Idempotency_Key=key).problem
    assert (said["status"], "Idempotency-Key" in said["detail"]) == (400, True)
    assert client.get("/runs").json["count"] == 0


def test_a_disabled_job_cannot_be_triggered(sauron: Sauron, client: Client) -> None:
    answer = client.post("/jobs/digest/trigger")
    assert answer.status == 400
    assert "sauron enable digest" in answer.problem["detail"]


def test_params_that_do_not_fit_are_422_with_every_fault(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    schema = {
        "type": "object",
        "properties": {"days": {"type": "integer"}, "to": {"type": "string"}},
        "required": ["to"],
    }
    define(sauron.store, clock, "prune", params={"schema": schema})
    answer = client.post("/jobs/prune/trigger", {"params": {"days": "many"}})
    assert answer.status == 422
    assert len(answer.problem["faults"]) == 2
    assert any("days" in fault for fault in answer.problem["faults"])


def test_a_switch_takes_effect_at_once_and_says_who_and_why(sauron: Sauron, client: Client) -> None:
    answer = client.post(
        "/jobs/nightly-backup/disable", {"reason": "disk full", "until": "2026-03-04T00:00:00+01:00"}
    )
    assert (answer.json["job_id"], answer.json["enabled"]) == ("nightly-backup", False)
    job = client.get("/jobs/nightly-backup").json
    assert (job["enabled"], job["next_run_at"]) == (False, None)
    assert job["override"] == {
        "enabled": False,
        "reason": "disk full",
        "by": None,
        "at": "2026-03-02T12:00:30Z",
        "until": "2026-03-03T23:00:00Z",
    }
    assert client.post("/jobs/nightly-backup/enable").json["enabled"] is True
    assert client.get("/jobs/nightly-backup").json["next_run_at"] is not None


def test_until_must_lie_ahead_and_have_a_zone(sauron: Sauron, client: Client) -> None:
    past = client.post("/jobs/digest/enable", {"until": "2020-01-01T00:00:00Z"})
    assert past.problem["status"] == 422
    naive = client.post("/jobs/digest/enable", {"until": "2030-01-01T00:00:00"})
    assert naive.status == 422
    assert "zone" in naive.problem["faults"][0]


def test_job_ids_may_come_escaped(sauron: Sauron, client: Client) -> None:
    assert client.get("/jobs/nightly%2Dbackup").json["id"] == "nightly-backup"
    assert client.get("/jobs/nightly%2Fbackup").problem["status"] == 404


def test_a_guess_at_a_short_secret_is_answered_as_any_other_text(build: Build, clock: ManualClock) -> None:
    made = build(DOOR_TOKEN="4711-4711", SAURON_API_TOKENS="bot:operate:short-one")
    define(made.store, clock, "door", secrets=[{"key": "DOOR_TOKEN", "required": True}])
    made.job_environment.learn(["DOOR_TOKEN"])
    client = bearer("short-one")
    for guess in ("4711-4711", "short-one", "4711-4712"):
        answer = client.post("/jobs/door/trigger", {"params": {"a": guess}, "reason": f"try {guess}"})
        run = client.get(f"/runs/{answer.json['queue_id']}").json
        assert (answer.status, run["params"], run["reason"]) == (200, {"a": guess}, f"try {guess}")
        override = client.post("/jobs/door/enable", {"reason": guess}).json["override"]
        assert override["reason"] == guess


def test_params_that_hold_a_long_secret_are_refused_and_the_log_says_so(
    build: Build, clock: ManualClock, log_text: io.StringIO
) -> None:
    made = build(SAURON_API_TOKENS="bot:operate:a-rather-long-token")
    define(made.store, clock, "door")
    client = bearer("a-rather-long-token")
    answer = client.post("/jobs/door/trigger", {"params": {"a": ["x a-rather-long-token"]}})
    assert answer.status == 422
    assert "hold the value of a secret" in answer.problem["detail"]
    assert '"job_id": "door", "by": "bot", "event": "params.refused"' in log_text.getvalue()
