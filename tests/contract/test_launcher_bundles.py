"""Whole bundles: the example that `sauron init` writes, and one written for the earlier system."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import sauron_jobs_loader
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, SHA, Runs

EXAMPLE = Path(sauron_jobs_loader.__file__).parent / "example"
OLDER = Path(__file__).resolve().parents[1] / "bundles" / "older"


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as made:
        yield made


@pytest.mark.parametrize("spawn", [False, True])
def test_every_job_of_the_example_bundle_runs_on_a_bare_machine(
    launcher: Launcher, tmp_path: Path, spawn: bool
) -> None:
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "bundle"))
    bundle = launcher.boot(SHA, folder, ENVIRON)
    assert bundle.rejected == ()
    assert bundle.left_behind == ()
    assert {job["id"]: job["enabled"] for job in bundle.jobs} == {
        "disk-space": True,
        "machine-load": True,
        "disk-report": True,
        "tidy-downloads": False,
    }
    runs = Runs(launcher, folder, spawn)
    for job in bundle.jobs:
        facts = runs.run(job["id"]).facts
        done = facts.exit_code == 0 if facts.became_command else facts.result and facts.result["ok"]
        assert done, (job["id"], facts)


def test_the_example_job_with_params_is_degraded_above_its_limit(launcher: Launcher, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "bundle"))
    runs = Runs(launcher, folder, spawn=False)
    for limit, status in ((0, "degraded"), (100, "success")):
        result = runs.run("disk-space", params={"limit_percent": limit}).facts.result
        assert result is not None
        assert result["value"]["status"] == status
    assert "percent" in runs.state


def test_the_example_bundle_explains_how_to_change_a_job() -> None:
    text = (EXAMPLE / "README.md").read_text()
    assert "sauron check" in text
    assert "sauron sync" in text
    assert all(
        f"`{name}`" in text for name in ("disk-space", "machine-load", "disk-report", "tidy-downloads")
    )


@pytest.mark.parametrize("spawn", [False, True])
def test_a_bundle_of_the_earlier_system_loads_and_runs_unchanged(launcher: Launcher, spawn: bool) -> None:
    environ = {**ENVIRON, "BACKUP_HOST": "db1", "JOB_SCHEDULER_NAME": "elrond"}
    bundle = launcher.boot(SHA, OLDER, environ)
    assert bundle.rejected == ()
    records = {job["id"]: job for job in bundle.jobs}
    assert (
        records["backup"]["timeout_seconds"],
        records["backup"]["project"],
        records["backup"]["secrets"],
    ) == (
        1800,
        "infra",
        None,
    )
    assert [secret["key"] for secret in records["digest"]["secrets"]] == ["DIGEST_EMAIL", "API_TOKEN"]
    assert records["digest"]["secrets"][1]["label"] == "API token"
    runs = Runs(launcher, OLDER, spawn)
    told = runs.run("backup", zygote_environ=environ, environ=environ)
    assert told.facts.result is not None
    value = told.facts.result["value"]
    assert value["metadata"].pop("loaded_at").endswith("+00:00")
    assert value == {
        "status": "partial",
        "host": "db1",
        "scheduler": "elrond",
        "queue": True,
        "metadata": {"script_source": "git", "git_sha": SHA},
        "unknown": None,
        "jobs": ["backup", "digest"],
        "ssh": [False, -1, True, False],
    }
    assert "INFO jobs.backup: backup of db1" in told.output


def test_mail_that_cannot_be_sent_is_none_with_the_reason_in_the_log(launcher: Launcher) -> None:
    secrets = {"DIGEST_EMAIL": "a@example.org", "API_TOKEN": "t"}
    environ = {
        "FROM_EMAIL": "sauron@example.org",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    keys = {"AWS_SES_ACCESS_KEY_ID": "k", "AWS_SES_SECRET_ACCESS_KEY": "s"}
    told = Runs(launcher, OLDER, spawn=False).run("digest", secrets=secrets, environ={**environ, **keys})
    assert told.facts.result == {
        "ok": True,
        "value": {"status": "success", "sent": [None, None, None], "token": "t"},
    }
    assert "mail 'ZERG DIGEST: Daily digest' was not sent: EndpointConnectionError" in told.output
    assert "mail 'CRITICAL (ZERG): It broke' was not sent: it lacks a recipient" in told.output
    assert os.environ.get("FROM_EMAIL") != "sauron@example.org"
