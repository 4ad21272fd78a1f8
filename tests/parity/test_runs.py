"""Runs: asked for, executed, tried again, and how they end."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.e2e.contract import RUN_KEYS, problem

from .target import Target
from .world import World


def test_a_trigger_runs_the_job_and_its_queue_id_is_the_runs_id_everywhere(target: Target) -> None:
    answer = target.post("/jobs/hello/trigger", {"reason": "asked"})
    assert (answer["job_id"], answer["queued"]) == ("hello", True)
    run = target.ended(answer["queue_id"])
    assert set(run) >= RUN_KEYS
    assert (run["state"], run["origin"], run["attempt"], run["requested_by"], run["reason"]) == (
        "succeeded", "trigger", 1, "owner", "asked",
    )  # fmt: skip
    assert run["revision"] == target.get("/status")["git_sync_status"]["current_sha"]
    assert target.log(run["id"]) == f"hello from {run['id']}\n"
    assert target.get("/jobs/hello")["last_run"]["id"] == run["id"]


def test_params_reach_the_job_and_those_that_do_not_fit_are_422(target: Target) -> None:
    run = target.ended(target.trigger("greet", params={"name": "Frodo", "times": 2}))
    assert target.log(run["id"]) == "good day, Frodo\n" * 2
    assert "times" in problem(
        target.ask("POST", "/jobs/greet/trigger", json={"params": {"name": "x", "times": 9}}), 422
    )


def test_an_idempotency_key_makes_a_repeated_trigger_harmless(target: Target) -> None:
    keyed = {"headers": {"Idempotency-Key": "parity-1"}}
    first, again = (target.post("/jobs/hello/trigger", **keyed)["queue_id"] for _ in range(2))
    assert first == again
    assert target.ended(first)["state"] == "succeeded"


def test_two_triggers_in_one_second_are_two_runs(target: Target) -> None:
    runs = [target.trigger("hello") for _ in range(2)]
    assert len(set(runs)) == 2
    assert {target.ended(run_id)["state"] for run_id in runs} == {"succeeded"}


@pytest.mark.parametrize(
    ("job_id", "state", "error_type", "words"),
    [
        ("degraded", "degraded", None, "half of it"),
        ("says-failed", "failed", None, "it said so"),
        ("raises", "failed", "ValueError", "it was not meant to be"),
        ("leaves", "failed", "crashed", ""),
        ("speaks", "succeeded", None, ""),
    ],
)
def test_a_run_ends_as_its_job_says(
    target: Target, job_id: str, state: str, error_type: str | None, words: str
) -> None:
    run = target.ended(target.trigger(job_id))
    assert run["state"] == state
    assert words in f"{run['error']} {run['result']}"
    assert error_type is None or run["error_type"] == error_type


def test_a_command_is_a_job_and_its_output_is_the_log(target: Target) -> None:
    assert target.log(target.ended(target.trigger("speaks"))["id"]) == "from a command\n"


def test_a_failure_is_tried_again_after_a_growing_delay(target: Target) -> None:
    run = target.ended(target.trigger("flaky"))
    first, second, third = run["attempts"]
    assert (run["state"], run["attempt"], run["error"]) == ("succeeded", 3, None)
    assert [one["outcome"] for one in run["attempts"]] == ["failed", "failed", "succeeded"]
    assert _seconds(first["finished_at"], second["started_at"]) >= 1
    assert _seconds(second["finished_at"], third["started_at"]) >= 2
    log = target.log(run["id"])
    assert all(f"--- attempt {number} ---\nattempt {number}\n" in log for number in (2, 3))


def test_a_retry_is_a_new_run_with_the_same_params(target: Target) -> None:
    first = target.ended(target.trigger("greet", params={"name": "Sam"}))
    run = target.ended(target.post(f"/runs/{first['id']}/retry")["run_id"])
    assert run["id"] != first["id"]
    assert (run["params"], run["origin"]) == ({"name": "Sam"}, "retry")


def test_a_jobs_state_outlives_its_runs(target: Target) -> None:
    counts = []
    for _ in range(2):
        run = target.ended(target.trigger("counts"))
        counts.append(run["result"]["count"])
    assert counts[1] == counts[0] + 1


def test_progress_is_seen_and_a_log_is_read_while_the_job_runs_and_on_from_where_it_was_left(
    world: World,
) -> None:
    target, name = world.target, "tail-goes-on"
    run_id = target.trigger("tail", params={"go": name})
    answer = target.until(
        lambda: got if (got := target.ask("GET", f"/runs/{run_id}/log")).text == "one\n" else None,
        "its first line",
    )
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-run-state"] == "running", str(target.run(run_id))
    target.until(lambda: target.run(run_id)["progress"] == 0.5, "half of it is done")
    world.touch(name)
    run = target.ended(run_id)
    rest = target.ask("GET", f"/runs/{run_id}/log?after={answer.headers['x-next-after']}")
    assert (rest.text, rest.headers["x-run-state"]) == ("two\n", "succeeded"), str(run)


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
