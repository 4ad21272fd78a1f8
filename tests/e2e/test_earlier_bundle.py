"""A bundle written for Sauron 2.x runs unchanged: ten jobs, its imports, helpers and return values."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.outside import Repository, Serve

BUNDLE = Path(__file__).parents[1] / "bundles" / "earlier"

STATES = {
    "backup-postgres": "succeeded",
    "backup-freshness": "degraded",
    "daily-digest": "succeeded",
    "disk-health": "succeeded",
    "cert-expiry": "succeeded",
    "site-up": "succeeded",
    "sync-contacts": "degraded",
    "sync-calendar": "succeeded",
    "flaky-import": "failed",
}


def test_ten_jobs_of_an_earlier_bundle_load_run_and_end_as_they_did(
    repository: Repository, serve: Serve
) -> None:
    repository.commit(
        {str(file.relative_to(BUNDLE)): file.read_text() for file in sorted(BUNDLE.rglob("*.py"))}
    )
    served = serve(OPS_PROJECT="life", CRM_TOKEN="not-shown", JOBS_GIT_TOKEN="never-seen").until_synced()
    jobs = {job["id"]: job for job in served.http.get("/jobs").json()["jobs"] if "builtin" not in job["tags"]}
    assert set(jobs) == {*STATES, "weekly-digest"}
    assert (jobs["weekly-digest"]["enabled"], jobs["backup-postgres"]["project"]) == (False, "life")
    assert served.http.get("/status").json()["rejected"] == []
    runs = {job: served.trigger(job) for job in STATES}
    assert {job: served.ended(run)["state"] for job, run in runs.items()} == STATES
    assert served.log(runs["sync-contacts"]) == "job sync-contacts token set\n"
    assert "dumping git" in served.log(runs["backup-postgres"])
    assert "scheduler sauron mail None" in served.log(runs["daily-digest"])
    failed = served.run(runs["flaky-import"])
    assert (failed["error"], failed["error_type"]) == (
        "the import host closed the connection",
        "ConnectionError",
    )
    refused = served.http.post("/jobs/weekly-digest/trigger")
    assert refused.status_code == 400
    assert "disabled" in refused.json()["detail"]
