from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import log_chunks
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, begin, execute

FIELDS = {
    "id", "job_id", "state", "origin", "scheduled_for", "due_at", "attempt", "max_attempts", "revision", "params", "requested_by",
    "reason", "created_at", "started_at", "finished_at", "error", "error_type", "result", "attempts",
}  # fmt: skip


def trigger(client: Client) -> str:
    return str(client.post("/jobs/nightly-backup/trigger", {"params": {"n": 1}}).json["queue_id"])


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


@pytest.mark.parametrize(
    ("path", "name", "hint"),
    [
        ("/runs?limit=0", "limit", "1 to 1000"),
        ("/runs?limit=1001", "limit", "1 to 1000"),
        ("/runs?limit=ten", "limit", "1 to 1000"),
        ("/runs?state=done", "state", "succeeded"),
        ("/runs?since=yesterday", "since", "ISO 8601"),
        ("/runs?since=2026-03-02T13:00:00", "since", "zone"),
        ("/runs?after=7", "after", "next_after"),
        ("/runs?job=x", "job", "job_id"),
        ("/runs?limit=1&limit=2", "limit", "once"),
        ("/jobs?limit=0", "limit", "1 to 1000"),
        ("/jobs?after=%00", "after", "NUL"),
        ("/jobs?enabled_only=maybe", "enabled_only", "true or false"),
        ("/next?count=-1", "count", "1 to 1000"),
        ("/runs/x/log?after=-1", "after", "whole number"),
    ],
)
def test_a_bad_query_parameter_is_named(
    sauron: Sauron, client: Client, path: str, name: str, hint: str
) -> None:
    said = client.get(path).problem
    assert (said["status"], said["parameter"]) == (400, name)
    assert hint in said["detail"]


def test_a_log_is_plain_text_with_the_attempts_apart(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    execute(
        sauron, clock, Verdict(Outcome.FAILED), wrote=["héllo\n", "no newline"], retry_in=timedelta(seconds=1)
    )
    answer = client.get(f"/runs/{run_id}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (answer.body, answer.headers["x-run-state"]) == ("héllo\nno newline", "queued")
    clock.move(seconds=2)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=["better\n"])
    again = client.get(f"/runs/{run_id}/log")
    assert again.body == "--- attempt 1 ---\nhéllo\nno newline\n--- attempt 2 ---\nbetter\n"
    assert again.headers["x-run-state"] == "succeeded"
    tail = client.get(f"/runs/{run_id}/log?after={answer.headers['x-next-after']}")
    assert tail.body == "\n--- attempt 2 ---\nbetter\n"


def test_a_live_tail_gets_each_piece_once(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run_id = trigger(client)
    run = begin(sauron, clock)
    seen, after = [], "0"
    for text in ("one\n", "two\n", ""):
        with sauron.store.write() as tx:
            log_chunks.append(tx, run.id, 1, [text] if text else [], now=clock.now())
        answer = client.get(f"/runs/{run_id}/log?after={after}")
        seen.append(answer.body)
        after = answer.headers["x-next-after"]
    assert seen == ["one\n", "two\n", ""]


def test_a_long_log_is_read_on_from_where_it_was_cut(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    pieces = [f"{number:08}".ljust(65_535) + "\n" for number in range(80)]
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=pieces)
    first = client.get(f"/runs/{run_id}/log")
    assert first.headers["x-more"] == "true"
    rest = client.get(f"/runs/{run_id}/log?after={first.headers['x-next-after']}")
    assert "x-more" not in rest.headers
    assert first.body + rest.body == "".join(pieces)


def test_no_page_of_a_log_is_larger_than_lambda_sends(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    pieces = ["\U0001f600" * 65_536, "\x1b" * 65_536, '"\\' * 32_768, "e\u0301" * 32_768] * 10
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED), wrote=pieces)
    seen, after, more = [], "0", True
    while more:
        answer = client.get(f"/runs/{run_id}/log?after={after}")
        assert len(json.dumps(answer.body)) < 4_500_000  # as AWS's runtime client writes it
        seen.append(answer.body)
        after, more = answer.headers["x-next-after"], "x-more" in answer.headers
    assert "".join(seen) == "".join(pieces)
    assert len(seen) > 2


@pytest.mark.parametrize("letter", ["x", '"', "\U0001f600"])
def test_no_page_of_runs_is_larger_than_lambda_sends(
    sauron: Sauron, client: Client, clock: ManualClock, letter: str
) -> None:
    made = []
    for size in (1, 300_000, 250_000, 350_000, 200_000, 300_000, 250_000, 300_000, 300_000, 1):
        made.append(trigger(client))
        execute(
            sauron,
            clock,
            Verdict(Outcome.SUCCEEDED, result={"text": letter * (size if letter > "z" else 3 * size)}),
        )
    seen: list[str] = []
    path: str | None = "/runs?limit=1000"
    while path:
        answer = client.get(path)
        assert len(json.dumps(answer.body)) < 4_500_000
        page = answer.json
        assert page["count"] == len(page["runs"]) > 0
        seen += [run["id"] for run in page["runs"]]
        path = page["next_after"] and f"/runs?limit=1000&after={page['next_after']}"
    assert seen == sorted(made, reverse=True)


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


def test_a_result_that_json_cannot_say_is_still_answered(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED, result={"ratio": math.nan, "sizes": [1.5, math.inf]}))
    assert client.get(f"/runs/{run_id}").json["result"] == {"ratio": None, "sizes": [1.5, None]}
