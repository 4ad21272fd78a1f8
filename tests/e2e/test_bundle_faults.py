"""Bad bundles from outside: a message names the place and the fix; the last good revision keeps running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.outside import SAMPLE, Cli, Repository, Serve, Served, wait_for

GOOD = """
from sauron_jobs_loader import JobConfig, job_registry
job_registry.register(JobConfig(id="good", cron="0 8 1 1 *", func=lambda: print("still here")))
"""

BROKEN = {
    "syntax": ("def (:\n", ("manifest.py", "line 1")),
    "import": ("import jobs.nowhere\n", ("manifest.py:1", "nowhere")),
    "raises": ("x = 1\nraise RuntimeError('no luck')\n", ("manifest.py:2", "no luck")),
    "exit": ("import sys\nsys.exit(3)\n", ("manifest.py", "exit")),
    "os-exit": ("import os\nos._exit(0)\n", ("manifest.py",)),
    "endless": ("while True: pass\n", ("manifest.py", "3 s")),
    "flood-then-raise": (
        "print('x' * 100_000_000)\nraise RuntimeError('after the flood')\n",
        ("after the flood",),
    ),
}


def jobs_of(served: Served) -> list[str]:
    """The jobs of the bundle."""
    return [job["id"] for job in served.http.get("/jobs").json()["jobs"] if "builtin" not in job["tags"]]


def git_state(served: Served) -> dict[str, object]:
    found: dict[str, object] = served.http.get("/status").json()["git_sync_status"]
    return found


def still_runs(served: Served) -> None:
    run = served.ended(served.trigger("good"))
    assert run["state"] == "succeeded"
    assert served.log(run["id"]) == "still here\n"


def test_a_revision_that_does_not_load_changes_nothing_and_status_says_where_and_why(
    repository: Repository, serve: Serve
) -> None:
    good = repository.commit({"manifest.py": GOOD})
    served = serve(SAURON_LOAD_TIMEOUT_SECONDS="3").until_synced()
    for number, (name, (manifest, told)) in enumerate(BROKEN.items(), start=1):
        repository.commit({"manifest.py": manifest})
        answer = served.http.post("/sync")
        assert (answer.status_code, answer.json()["success"]) == (200, False), name
        state = git_state(served)
        assert (state["current_sha"], state["consecutive_failures"]) == (good, number), name
        for part in told:
            assert part in str(state["last_error"]), (name, state["last_error"])
        assert served.http.get("/health").status_code == 200
    still_runs(served)
    mended = repository.commit({"manifest.py": GOOD})
    assert served.http.post("/sync").json()["success"]
    assert (
        git_state(served)["current_sha"],
        git_state(served)["last_error"],
        git_state(served)["consecutive_failures"],
    ) == (
        mended,
        None,
        0,
    )


def test_a_manifest_that_is_missing_is_named_with_what_to_write(repository: Repository, serve: Serve) -> None:
    repository.commit({"README.md": "no jobs here\n"})
    served = serve().until_ready()
    error = wait_for(lambda: git_state(served)["last_error"], what="the first sync failed")
    assert "manifest.py" in str(error)
    assert "sauron init" in str(error)
    assert jobs_of(served) == []


def test_bad_jobs_are_left_out_with_place_and_reason_and_the_good_ones_run(
    repository: Repository, serve: Serve
) -> None:
    repository.commit(
        {
            "manifest.py": GOOD
            + """
def nothing(): pass
for fields in (
    dict(id="good", cron="0 9 * * *", func=nothing),
    dict(id="../../etc", cron="0 9 * * *", func=nothing),
    dict(id="cron", cron="0 25 * * *", func=nothing),
    dict(id="never", cron="0 0 30 2 *", func=nothing),
    dict(id="zone", cron="0 9 * * *", func=nothing, timezone="Europe/Berln"),
    dict(id="typo", cron="0 9 * * *", func=nothing, time_out=3),
    dict(id="huge", cron="0 9 * * *", func=nothing, timeout_seconds=-1),
    dict(id="both", cron="0 9 * * *", func=nothing, command=["ls"]),
):
    job_registry.register(JobConfig(**fields))
"""
        }
    )
    served = serve().until_synced()
    assert jobs_of(served) == ["good"]
    rejected = {one["job_id"]: one for one in served.http.get("/status").json()["rejected"]}
    assert set(rejected) == {"good", "../../etc", "cron", "never", "zone", "typo", "huge", "both"}
    assert "Europe/Berlin" in rejected["zone"]["reason"]
    assert "time_out" in rejected["typo"]["reason"]
    assert "25" in rejected["cron"]["reason"]
    assert all("manifest.py:" in one["place"] for one in rejected.values())
    still_runs(served)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://127.0.0.1:1/nobody/here.git", ("127.0.0.1", "cannot be reached")),
        ("/no/such/repository", ("/no/such/repository",)),
        ("ext::sh -c whoami", ("https://",)),
        ("--upload-pack=touch /tmp/x", ("https://",)),
    ],
)
def test_a_repository_that_cannot_be_had_is_named_and_sauron_lives_on(
    serve: Serve, url: str, told: tuple[str, ...]
) -> None:
    served = serve(JOBS_GIT_REPO_URL=url).until_ready()
    error = str(wait_for(lambda: git_state(served)["last_error"], what="the first sync failed"))
    for part in told:
        assert part in error, error
    assert served.http.get("/health").status_code == 200


def test_a_branch_that_is_not_there_is_named_with_those_that_are(
    repository: Repository, serve: Serve
) -> None:
    repository.commit({"manifest.py": GOOD})
    served = serve(JOBS_GIT_BRANCH="production").until_ready()
    error = str(wait_for(lambda: git_state(served)["last_error"], what="the first sync failed"))
    assert "production" in error
    assert "main" in error


JOBS = """
import ctypes, os, signal, subprocess, sys, time
from sauron_jobs_loader import JobConfig, job_registry

def raises(): raise ValueError("on purpose")
def exits(): sys.exit(0)
def exits_badly(): sys.exit("no room")
def leaves_early(): os._exit(0)
def crashes(): ctypes.string_at(0)
def ignores_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(1)
def leaves_a_daemon():
    code = "import time; print('daemon', flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    print("pid", child.pid, flush=True)
def floods():
    for _ in range(100): sys.stdout.write("x" * 1_000_000)
    print("end")
def kills_its_parent():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)
def returns_nonsense(): return {"status": object(), 3: {1, 2}}
def fine(): return "ok"

for job in (raises, exits, exits_badly, leaves_early, crashes, leaves_a_daemon, floods, kills_its_parent,
            returns_nonsense, fine):
    name = job.__name__.replace("_", "-")
    job_registry.register(JobConfig(id=name, cron="0 0 1 1 *", func=job, max_attempts=1))
job_registry.register(
    JobConfig(id="ignores-term", cron="0 0 1 1 *", func=ignores_term, max_attempts=1, timeout_seconds=1))
"""

VERDICTS = {
    "raises": ("failed", "ValueError"),
    "exits": ("succeeded", None),
    "exits-badly": ("failed", None),
    "leaves-early": ("failed", "crashed"),
    "crashes": ("failed", "crashed"),
    "leaves-a-daemon": ("succeeded", None),
    "floods": ("succeeded", None),
    "kills-its-parent": ("failed", "crashed"),
    "returns-nonsense": ("succeeded", None),
    "ignores-term": ("timed_out", "timeout"),
}


def test_whatever_a_job_does_the_verdict_is_right_nothing_is_left_and_the_next_job_is_unharmed(
    repository: Repository, serve: Serve
) -> None:
    repository.commit({"manifest.py": JOBS})
    served = serve(SAURON_KILL_GRACE_SECONDS="1").until_synced()
    runs = {job: served.trigger(job) for job in VERDICTS}
    for job, (state, error_type) in VERDICTS.items():
        run = served.ended(runs[job])
        assert run["state"] == state, (job, run)
        if error_type:
            assert run["error_type"] == error_type, (job, run)
        assert served.ended(served.trigger("fine"))["state"] == "succeeded", job
    log = served.log(runs["leaves-a-daemon"])
    daemon = int(log.split("pid ")[1].split()[0])
    assert not Path(f"/proc/{daemon}").exists()
    flood = served.log(runs["floods"])
    assert flood.endswith("end\n")
    assert "characters left out" in flood
    assert len(flood) < 1_100_000
    assert "ValueError: on purpose" in served.log(runs["raises"])


def test_a_commit_is_live_after_a_sync_and_a_rollback_brings_the_old_code_back(
    repository: Repository, serve: Serve
) -> None:
    first = repository.commit({"manifest.py": GOOD})
    served = serve().until_synced()
    still_runs(served)
    second = repository.commit({"manifest.py": GOOD.replace("still here", "changed").replace("0 8", "0 9")})
    answer = served.http.post("/sync").json()
    assert (answer["success"], answer["sha"], answer["rescheduled"]) == (True, second, ["good"])
    assert (git_state(served)["subject"], git_state(served)["author"]) == ("change", "t")
    assert served.log(served.ended(served.trigger("good"))["id"]) == "changed\n"
    assert served.http.post("/rollback", json={"sha": first[:10]}).json()["sha"] == first
    still_runs(served)
    assert served.http.post("/sync").json()["sha"] == second


def test_requirements_that_cannot_be_installed_keep_the_last_good_revision_and_say_why(
    serve: Serve, repository: Repository
) -> None:
    good = repository.commit(SAMPLE)
    served = serve().until_synced()
    repository.commit({"requirements.txt": "--no-index\nthere-is-no-such-package==1.0\n"})
    answer = served.http.post("/sync").json()
    assert answer["success"] is False
    assert "there-is-no-such-package" in answer["message"]
    assert git_state(served)["current_sha"] == good
    assert served.ended(served.trigger("hello"))["state"] == "succeeded"
    repository.commit({"requirements.txt": "# none any more\n"})
    assert served.http.post("/sync").json()["success"] is True


def test_a_required_secret_that_is_missing_is_named_before_the_job_starts(
    serve: Serve, repository: Repository, cli: Cli
) -> None:
    repository.commit(
        {
            "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
job_registry.register(JobConfig(
    id="crm", cron="@daily", func=lambda: print("it started"), secrets=["CRM_TOKEN"], max_attempts=1))
"""
        }
    )
    served = serve().until_synced()
    run = served.ended(served.trigger("crm"))
    assert (run["state"], run["error_type"]) == ("failed", "not_started")
    assert "CRM_TOKEN" in run["error"]
    assert "it started" not in served.log(run["id"])
    assert served.http.get("/status").json()["missing_secrets"] == [
        {"job_id": "crm", "missing": ["CRM_TOKEN"]}
    ]
    checked = cli("check", str(repository.folder))
    assert (checked.code, "crm: needs CRM_TOKEN" in checked.out) == (0, True)
