"""A push to a real repository, told by its host, is live within seconds."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from tests.e2e.outside import Cli, Repository, Serve, Served, wait_for

pytestmark = pytest.mark.process

SECRET = "a-webhook-secret"
MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry

def run(): pass

for name in {names}:
    job_registry.register(JobConfig(id=name, cron="0 0 1 1 *", func=run))
"""


def push(served: Served, sha: str, *, secret: str = SECRET, commits: int = 0) -> int:
    body = json.dumps({"ref": "refs/heads/main", "after": sha, "commits": ["x" * 1000] * commits}).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}"}
    kind = {"Content-Type": "application/json"}
    return served.http.post("/hooks/git", content=body, headers=headers | kind).status_code


def test_a_push_is_live_without_a_poll_and_in_the_audit_log(
    serve: Serve, repository: Repository, cli: Cli
) -> None:
    repository.commit({"manifest.py": MANIFEST.format(names=["first"])})
    served = serve(SAURON_GIT_WEBHOOK_SECRET=SECRET, JOBS_REFRESH_INTERVAL_SECONDS="0").until_synced()
    second = repository.commit({"manifest.py": MANIFEST.format(names=["first", "second"])})
    assert push(served, second, secret="another") == 401
    assert push(served, second, commits=2000) == 202
    wait_for(lambda: served.http.get("/jobs/second").status_code == 200, what="the pushed job is there")
    assert served.http.get("/status").json()["git_sync_status"]["current_sha"] == second
    assert cli("--url", served.url, "disable", "second", "--reason", "too early").code == 0
    said = cli("audit-log", "--json", SAURON_URL=served.url)
    assert [
        (one["who"], one["door"], one["act"], one["subject"], one["reason"]) for one in said.json["entries"]
    ] == [
        ("anonymous", "http", "disable", "second", "too early"),
        ("github", "hook", "sync", "main", f"push of {second[:12]}"),
    ]
    assert cli("enable", "second").code == 0  # on the same store, in this process
    assert "local" in cli("audit-log", "--door", "cli").out
