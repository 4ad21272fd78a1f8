"""Processes: a timeout or a cancel ends all of them, and a job sees what it may see and no more."""

from __future__ import annotations

import re

from chalicelib.bundle.job_environment import WHITELIST
from tests.e2e.outside import gone

from .differences import BESIDES, table
from .target import ADMIN, Target
from .world import GIT_TOKEN, SECRET, World

GIVEN = {"SAURON_RUN_ID", "SAURON_JOB_ID", "SAURON_ATTEMPT", "SAURON_SCHEDULED_FOR"} | {
    *("PWD", "TMPDIR", "PYTHONPATH", "PYTHONUNBUFFERED", "GIT_CEILING_DIRECTORIES")
}


def pids_of(target: Target, run_id: str) -> list[int]:
    """Return the job, its child in a session of its own and its daemon, once they are there."""
    line = target.until(
        lambda: next((one for one in target.log(run_id).splitlines() if one.startswith("pids")), None),
        "pids are told",
    )
    return [int(word) for word in line.split()[1:]]


def test_a_timeout_ends_every_process_of_the_run_daemons_included(target: Target) -> None:
    run_id = target.trigger("stuck")
    pids = pids_of(target, run_id)
    run = target.ended(run_id)
    assert (run["state"], len(pids)) == ("timed_out", 3)
    target.until(lambda: all(gone(pid) for pid in pids), "no process is left")


def test_a_cancel_ends_every_process_of_the_run_daemons_included(target: Target) -> None:
    run_id = target.trigger("long")
    pids = pids_of(target, run_id)
    assert not any(gone(pid) for pid in pids)
    assert target.ask("POST", f"/runs/{run_id}/cancel").status_code == 200
    assert target.ended(run_id)["state"] == "cancelled"
    target.until(lambda: all(gone(pid) for pid in pids), "no process is left")


def test_a_cancel_of_a_queued_run_means_that_it_never_starts(world: World) -> None:
    target = world.target
    first = target.trigger("tail", params={"go": "tail-before"})
    second = target.trigger("tail", params={"go": "tail-before"})  # it waits its turn
    assert target.post(f"/runs/{second}/cancel")["state"] == "cancelled"
    world.touch("tail-before")
    assert target.ended(first)["state"] == "succeeded"
    run = target.run(second)
    assert (run["state"], run["attempts"]) == ("cancelled", [])


def test_a_job_that_declares_its_secrets_sees_a_fixed_list_of_variables(target: Target) -> None:
    seen = set(target.log(target.ended(target.trigger("environ"))["id"]).split())
    assert seen >= GIVEN
    assert seen <= GIVEN | set(WHITELIST) | set(re.findall(r"`(\w+)`", table()[BESIDES][target.name]))


def test_a_job_that_declares_nothing_sees_the_environment_but_nothing_that_opens_sauron(
    target: Target,
) -> None:
    seen = set(target.log(target.ended(target.trigger("inherits"))["id"]).split())
    assert {"PARITY_DIR", "PARITY_TOKEN"} <= seen
    assert {name for name in seen if name.startswith("SAURON_")} <= GIVEN | {"SAURON_SSH_KNOWN_HOSTS"}
    assert not seen & {"JOB_QUEUE_DB_URL", "JOBS_GIT_TOKEN", "JOBS_GIT_REPO_URL"}


def test_a_secret_that_a_job_tells_is_found_in_no_answer_and_no_log(target: Target) -> None:
    run = target.ended(target.trigger("secretive"))
    log = target.log(run["id"])
    assert (run["state"], run["error"]) == ("failed", "raised with ***")
    assert log.startswith("plain ***\nbase64 ***\n")
    paths = (f"/runs/{run['id']}", "/jobs/secretive", "/status", "/runs", f"/ui/runs/{run['id']}")
    answers = "".join(target.ask("GET", path).text for path in paths)
    for secret in (SECRET, ADMIN, GIT_TOKEN):
        assert secret not in answers + log + target.written
