from __future__ import annotations

import io
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

import app as application
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Client, execute, trigger

TRIGGER = "/jobs/nightly-backup/trigger"


@pytest.mark.slow
def test_head_answers_like_get_without_a_body(sauron: Sauron, client: Client) -> None:
    run_id = client.post(TRIGGER).json["queue_id"]
    paths = [path for path, methods in application.app.routes.items() if "GET" in methods]
    for path in paths:
        asked = path.format(job_id="digest", run_id=run_id, digest="x")
        got, head = client.get(asked), client.ask("HEAD", asked)
        assert (head.status, head.headers, head.body) == (got.status, got.headers, ""), path
    assert paths


def test_a_store_that_cannot_be_used_is_503_with_the_reason_in_the_log_only(
    sauron: Sauron, client: Client, log_text: io.StringIO
) -> None:
    with sauron.store.write() as tx:
        tx.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
    for path in ("/jobs", "/status"):
        problem = client.get(path).problem
        assert problem["status"] == 503
        assert "jobs" not in str(problem)
        assert "no such table: jobs" in log_text.getvalue()


@pytest.mark.parametrize("path", ["/jobs/%00", "/runs/a%00b", "/runs/%00/log"])
def test_a_name_that_no_store_can_hold_is_404(client: Client, path: str) -> None:
    problem = client.get(path).problem
    assert (problem["status"], "NUL" in problem["detail"]) == (404, True)


@pytest.mark.slow
def test_concurrent_requests_are_answered_each_with_its_own(sauron: Sauron, client: Client) -> None:
    ids = [f"job-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda job_id: client.get(f"/jobs/{job_id}").problem["job_id"], ids))
        limits = list(
            threads.map(lambda count: client.get(f"/next?count={count}").json["count"], range(1, 30))
        )
    assert answers == ids
    assert limits == list(range(1, 30))


def test_a_result_that_json_cannot_say_is_still_answered(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED, result={"ratio": math.nan, "sizes": [1.5, math.inf]}))
    assert client.get(f"/runs/{run_id}").json["result"] == {"ratio": None, "sizes": [1.5, None]}
