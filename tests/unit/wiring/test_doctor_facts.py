"""What the doctor learns of this machine: from real folders, stores, repositories and servers."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from chalicelib.answers.doctor import Facts
from chalicelib.settings import Settings
from chalicelib.store import Store, duties
from chalicelib.wiring.doctor_facts import gather, together
from tests.conftest import ManualClock, define
from tests.http_receiver import Answer, receive

SES = (
    '<GetIdentityVerificationAttributesResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/">'
    "<GetIdentityVerificationAttributesResult><VerificationAttributes><entry><key>example.org</key>"
    "<value><VerificationStatus>{}</VerificationStatus></value></entry></VerificationAttributes>"
    "</GetIdentityVerificationAttributesResult></GetIdentityVerificationAttributesResponse>"
)


@pytest.fixture
def settings(tmp_path: Path, store: Store) -> Any:
    def read(**environ: str) -> Settings:
        url = store.url.render_as_string(hide_password=False)
        return Settings.read({"JOB_QUEUE_DB_URL": url, "JOBS_DIR": str(tmp_path / "jobs"), **environ})

    return read


def learnt(settings: Settings, clock: ManualClock, **more: Any) -> Facts:
    return gather(settings, clock, root=Path("/nowhere"), **more)


@pytest.mark.every_store
def test_the_store_says_when_it_ticked_and_which_secrets_its_jobs_lack(
    store: Store, clock: ManualClock, settings: Any
) -> None:
    for number in range(3):
        define(store, clock, f"crm-{number}", "0 8 * * *", secrets=[{"key": "CRM_TOKEN"}])
    with store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
    found = learnt(settings(), clock)
    assert (found.store_fault, found.store_read, found.last_tick) == (None, True, clock.now())
    assert found.missing_secrets == {f"crm-{number}": ["CRM_TOKEN"] for number in range(3)}
    assert (found.sqlite_version is not None) is store.sqlite
    if not store.sqlite:
        assert found.clock_ahead_seconds is not None
        assert abs(found.clock_ahead_seconds) < 1  # the server runs on this machine
    assert learnt(settings(CRM_TOKEN="x"), clock).missing_secrets == {}


def test_looking_makes_no_store_and_no_folder(tmp_path: Path, clock: ManualClock) -> None:
    there = tmp_path / "new"
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{there}/store.sqlite3", "JOBS_DIR": str(there / "jobs")}
    found = learnt(Settings.read(environ), clock)
    assert (found.store_fault, found.store_read) == (None, False)
    assert not there.exists()


def test_a_file_that_is_no_store_and_one_of_no_schema_are_faults(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "notes.sqlite3"
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{file}", "JOBS_DIR": str(tmp_path / "jobs")}
    file.write_text("this is a note, and not a database " * 100)
    assert "not a database" in str(learnt(Settings.read(environ), clock).store_fault)
    assert "sauron restore FILE" in str(learnt(Settings.read(environ), clock).store_fault)
    away = environ | {"JOB_QUEUE_DB_URL": "postgresql://u:hunter2hunter2@127.0.0.1:1/x"}
    assert "Look whether the server runs" in str(learnt(Settings.read(away), clock).store_fault)
    assert "hunter2" not in str(learnt(Settings.read(away), clock).store_fault)
    file.write_bytes(b"")
    assert "sauron migrate" in str(learnt(Settings.read(environ), clock).store_fault)


def test_a_folder_that_others_may_enter_is_seen(tmp_path: Path, clock: ManualClock, settings: Any) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir(mode=0o700)
    jobs.chmod(0o755)
    places = {place.path: place for place in learnt(settings(), clock, outside=False).places}
    assert places[str(jobs)].mode == 0o755
    assert places[str(jobs)].owner is None
    jobs.rmdir()
    jobs.touch()
    places = {place.path: place for place in learnt(settings(), clock, outside=False).places}
    assert "in the way" in str(places[str(jobs)].fault)


@pytest.mark.process
def test_a_repository_says_its_branches_or_why_it_does_not_answer(
    tmp_path: Path, clock: ManualClock, settings: Any
) -> None:
    bundle = tmp_path / "bundle"
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (
        ["init", "-q", "-b", "main", str(bundle)],
        ["-C", str(bundle), *author, "commit", "-q", "--allow-empty", "-m", "first"],
        ["-C", str(bundle), "branch", "staging"],
    ):
        subprocess.run(["git", *command], check=True, env={"PATH": os.environ["PATH"]})
    (bundle / "ops/jobs").mkdir(parents=True)
    (bundle / "ops/jobs/manifest.py").touch()
    (bundle / "notes").touch()
    for command in (["add", "-A"], ["commit", "-q", "-m", "second"]):
        subprocess.run(["git", "-C", bundle, *author, *command], check=True, env={"PATH": os.environ["PATH"]})
    found = learnt(settings(JOBS_GIT_REPO_URL=str(bundle)), clock)
    assert (found.branches, found.remote_fault) == (["main", "staging"], None)
    assert found.subdir_there is None
    for folder, branch, there in (
        ("ops/jobs", "", True),
        ("ops", "main", True),
        ("ops/none", "", False),
        ("notes", "", False),
        ("ops/jobs", "staging", False),
        ("ops/jobs", "no-such", None),
    ):
        asked = {"JOBS_GIT_SUBDIR": folder, "JOBS_GIT_BRANCH": branch}
        answer = learnt(settings(JOBS_GIT_REPO_URL=str(bundle), **asked), clock)
        assert answer.subdir_there is there, asked
    assert not (tmp_path / "jobs").exists()
    nowhere = learnt(settings(JOBS_GIT_REPO_URL=str(tmp_path / "none")), clock)
    assert "none" in str(nowhere.remote_fault or nowhere.address_fault)
    assert learnt(settings(JOBS_GIT_REPO_URL="ext::sh -c x"), clock, outside=False).address_fault


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/proc/jobs", "keeps no files"),
        ("/sys/kernel/jobs", "keeps no files"),
        ("/dev/null/jobs", "a file is in the way"),
        (f"/tmp/{'x' * 300}/jobs", "longer than 255 bytes"),  # noqa: S108 - nothing is made there
    ],
)
def test_a_place_where_no_folder_can_be_made_is_a_fault(
    clock: ManualClock, settings: Any, place: str, why: str
) -> None:
    faults = [one.fault for one in learnt(settings(JOBS_DIR=place), clock, outside=False).places]
    assert why in str(faults[-1])


def test_an_ssh_bundle_needs_the_key_of_its_host(clock: ManualClock, settings: Any) -> None:
    known = "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    address = {"JOBS_GIT_REPO_URL": "git@git.example.org:ops/jobs.git"}
    unknown = learnt(settings(**address), clock, outside=False)
    assert (unknown.ssh_host, unknown.host_known) == ("git.example.org", False)
    assert learnt(settings(**address, SAURON_SSH_KNOWN_HOSTS=known), clock, outside=False).host_known is True


@pytest.mark.parametrize(("status", "fault"), [("Success", False), ("Pending", True)])
def test_ses_is_asked_whether_it_knows_the_sender(
    clock: ManualClock, settings: Any, status: str, *, fault: bool
) -> None:
    with receive(Answer(200, SES.format(status), {"Content-Type": "text/xml"})) as server:
        found = learnt(
            settings(
                FROM_EMAIL="Sauron <sauron@example.org>",
                AWS_SES_ACCESS_KEY_ID="AKIAMADEUP",
                AWS_SES_SECRET_ACCESS_KEY="made/up",
                AWS_ENDPOINT_URL_SES=server.url,
            ),
            clock,
        )
    assert bool(found.sender_fault) is fault


def test_the_limits_of_a_container_are_read(tmp_path: Path, clock: ManualClock, settings: Any) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{512 << 20}\n")
    (group / "memory.events").write_text("oom_kill 0\n")
    (group / "cgroup.controllers").write_text("memory\n")
    (tmp_path / ".dockerenv").touch()
    found = gather(settings(STOP_GRACE_PERIOD="1m10s"), clock, outside=False, root=tmp_path)
    assert (found.in_container, found.memory_mb, found.stop_grace_seconds) == (True, 512, 70)


def test_what_hangs_or_breaks_is_a_finding_and_holds_up_nothing_else() -> None:
    def broken() -> dict[str, Any]:
        raise OSError("it broke")

    released = threading.Event()
    try:
        found = together(
            {"a": lambda: {"b": 1}, "slow": lambda: {"never": released.wait()}, "broken": broken}, 0.3
        )
    finally:
        released.set()
    assert found == {"b": 1, "slow": "no answer within 0.3 s. Is the network right?", "broken": "it broke"}
