"""A running Sauron whose store cannot be written: it must not say that all is well."""

from __future__ import annotations

import re
import resource

import httpx

from tests.e2e.outside import SAMPLE, Cli, Repository, Serve, Served, wait_for


def let_write(served: Served, *, allowed: bool) -> None:
    """Let the process write to its files, or have the kernel refuse it, as a full disk does."""
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (unlimited if allowed else 0, unlimited))


def test_a_store_that_cannot_be_written_is_told_at_once_and_a_restart_is_not_asked_for(
    serve: Serve, repository: Repository, cli: Cli
) -> None:
    repository.commit(SAMPLE)
    served = serve().until_synced()
    assert "All is well" in served.http.get("/").text
    let_write(served, allowed=False)
    assert served.http.post("/jobs/hello/trigger", json={}).status_code == 503
    ready = served.http.get("/ready")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert "the last write failed" in ready.json()["parts"]["store"]
    assert "disk I/O error" in ready.json()["parts"]["store"]
    status = served.http.get("/status").json()
    assert status["last_worked"]["write"]["failed"]["reason"] == "disk I/O error"
    assert status["degraded"][0].startswith("The last write failed")
    page = served.http.get("/").text
    assert "All is well" not in page
    assert "disk I/O error" in page
    said = cli("status", "--url", served.url).out
    assert re.search(r"worked +tick .* ago, claim .* ago, write .* ago", said)
    assert re.search(r"wrong +The last write failed .* ago: disk I/O error\.", said)
    assert served.http.get("/health").status_code == 200
    let_write(served, allowed=True)

    def accepted() -> httpx.Response | None:
        answer = served.http.post("/jobs/hello/trigger", json={})
        return answer if answer.status_code == 200 else None

    answer = wait_for(accepted, what="a trigger is accepted again")
    assert served.ended(answer.json()["queue_id"])["state"] == "succeeded"
    assert served.http.get("/ready").status_code == 200
    assert served.http.get("/status").json()["degraded"] == []
    assert "All is well" in served.http.get("/").text
