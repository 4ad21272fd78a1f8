from __future__ import annotations

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, execute, trigger

FIELDS = {
    "id", "job_id", "state", "origin", "scheduled_for", "due_at", "attempt", "max_attempts", "revision",
    "params", "requested_by", "reason", "created_at", "started_at", "finished_at", "error", "error_type",
    "result", "attempts",
}  # fmt: skip


def test_a_run_shows_everything_recorded(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run_id = trigger(client)
    execute(sauron, clock, Verdict(Outcome.FAILED, error="no space", error_type="OSError", exit_code=1))
    run = client.get(f"/runs/{run_id}").json
    assert set(run) >= FIELDS
    assert (run["state"], run["error"], run["origin"], run["params"]) == (
        "failed",
        "no space",
        "trigger",
        {"n": 1},
    )
    assert run["scheduled_for"] == run["created_at"] == "2026-03-02T12:00:30Z"
    assert run["finished_at"] == "2026-03-02T12:00:32Z"
    (attempt,) = run["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["exit_code"]) == (1, "failed", 1)


def test_a_scheduled_run_stands_for_its_fire_time(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    define(sauron.store, clock, "jittered", "0 3 * * *", jitter_minutes=30)
    clock.move(hours=14, minutes=59)
    sauron.duties.tick()
    (run,) = client.get("/runs?job_id=jittered").json["runs"]
    assert (run["origin"], run["scheduled_for"]) == ("schedule", "2026-03-03T03:00:00Z")
    assert "2026-03-03T03:00:00Z" < run["due_at"] < "2026-03-03T03:30:00Z"


def test_runs_are_paged_from_the_newest_to_the_oldest(sauron: Sauron, client: Client) -> None:
    made = [trigger(client) for _ in range(5)]
    first = client.get("/runs?limit=2").json
    assert (first["count"], first["next_after"]) == (2, first["runs"][-1]["id"])
    second = client.get(f"/runs?limit=2&after={first['next_after']}").json
    third = client.get(f"/runs?limit=2&after={second['next_after']}").json
    assert third["next_after"] is None
    assert sorted(run["id"] for page in (first, second, third) for run in page["runs"]) == sorted(made)


def test_runs_are_filtered(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    trigger(client)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED))
    clock.move(hours=1)
    queued = trigger(client)
    assert [run["id"] for run in client.get("/runs?state=queued").json["runs"]] == [queued]
    assert client.get("/runs?state=queued,succeeded").json["count"] == 2
    assert client.get("/runs?state=queued&state=failed").json["count"] == 1
    assert client.get("/runs?since=2026-03-02T13:00:00Z").json["count"] == 1
    assert client.get("/runs?since=2026-03-02T14:00:00+01:00").json["count"] == 1
    assert client.get("/runs?job_id=digest").json == {"runs": [], "count": 0, "next_after": None}


def test_an_unknown_run_is_404(sauron: Sauron, client: Client) -> None:
    for path in ("/runs/x", "/runs/x/log", "/ui/runs/x"):
        assert client.get(path).problem["status"] == 404
    for path in ("/runs/x/cancel", "/runs/x/retry"):
        assert client.post(path).problem["status"] == 404


def test_a_queued_run_can_be_cancelled_once(sauron: Sauron, client: Client) -> None:
    run_id = trigger(client)
    answer = client.post(f"/runs/{run_id}/cancel")
    assert (answer.json["run_id"], answer.json["state"]) == (run_id, "cancelled")
    again = client.post(f"/runs/{run_id}/cancel")
    assert again.status == 409
    assert (again.problem["run_id"], again.problem["state"]) == (run_id, "cancelled")


def test_a_retry_is_a_new_run_with_the_same_params(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    assert client.post(f"/runs/{run_id}/retry").problem["status"] == 409
    execute(sauron, clock, Verdict(Outcome.FAILED))
    made = client.post(f"/runs/{run_id}/retry").json["run_id"]
    assert made != run_id
    run = client.get(f"/runs/{made}").json
    assert (run["params"], run["origin"]) == ({"n": 1}, "retry")


def test_the_first_letters_of_an_id_stand_for_it_on_every_route(sauron: Sauron, client: Client) -> None:
    first = trigger(client)
    second = trigger(client)
    common = first[: next(place for place in range(36) if first[place] != second[place])]
    mine = first[: len(common) + 1]
    assert client.get(f"/runs/{mine}").json["id"] == first
    assert client.get(f"/runs/{mine.upper()}/log").status == 200
    assert client.get(f"/ui/runs/{mine}").status == 200
    assert [run["id"] for run in client.get(f"/runs?after={second[: len(common) + 1]}").json["runs"]] == [
        first
    ]
    assert client.post(f"/runs/{mine}/cancel").json["run_id"] == first
    again = client.post(f"/runs/{mine}/retry").json
    assert again["retry_of"] == first
    assert client.get(f"/runs/{again['run_id']}").json["reason"] == f"retry of {first}"


def test_letters_that_begin_several_ids_change_nothing_and_name_them(sauron: Sauron, client: Client) -> None:
    made = [trigger(client), trigger(client)]
    requests = [client.get(f"/runs/{made[0][:4]}"), client.get(f"/runs/{made[0][:4]}/log")]
    requests += [client.post(f"/runs/{made[0][:4]}/{act}") for act in ("cancel", "retry")]
    for answer in requests:
        assert answer.status == 409
        assert answer.problem["run_ids"] == made[::-1]
        assert all(run_id in answer.problem["detail"] for run_id in made)
    assert {run["state"] for run in client.get("/runs").json["runs"]} == {"queued"}
    assert client.get(f"/runs/{made[0][:3]}").status == 404
