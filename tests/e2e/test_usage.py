"""What a job uses while it runs, as a person and a program see it."""

from __future__ import annotations

from typing import Any

from tests.e2e.outside import Repository, Serve, wait_for

BUNDLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.busy import run

job_registry.register(JobConfig(id="busy", cron="0 8 1 * *", func=run, max_attempts=1, memory_mb=4096))
""",
    "jobs/busy.py": """
import os, subprocess

def run():
    kept = os.urandom(96 << 20)
    subprocess.run(["sleep", "600"])
    return len(kept)
""",
}


def test_memory_processor_and_programs_of_a_running_job_are_seen_and_kept(
    serve: Serve, repository: Repository
) -> None:
    repository.commit(BUNDLE)
    served = serve().until_synced()
    run_id = served.trigger("busy")

    def measured() -> dict[str, Any] | None:
        attempts = served.run(run_id)["attempts"]
        found: dict[str, Any] | None = attempts[-1]["usage"] if attempts else None
        return found

    used = wait_for(measured, what="the attempt is measured")
    assert 96 < used["memory_mb"] <= used["peak_mb"] < 500
    assert used["programs"] == ["sleep"]
    assert 0 <= used["processors"] < 4
    page = served.http.get(f"/ui/runs/{run_id}").text
    assert "it also runs <code>sleep</code>" in page
    assert "; limit 4.0 GB." in page
    assert "MB, processor " in served.http.get("/").text
    served.http.post(f"/runs/{run_id}/cancel").raise_for_status()
    served.ended(run_id)
    kept = measured()
    assert kept
    assert kept["seconds"] >= used["seconds"]
    assert (kept["programs"], kept["peak_mb"] > 96) == (["sleep"], True)
    assert "it also runs" not in served.http.get(f"/ui/runs/{run_id}").text
