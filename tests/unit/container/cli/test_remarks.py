"""What the author of a bundle should know is told alike by a check, a sync, the status and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.git_servers import BundleRepository
from tests.unit.container.cli.conftest import Cli

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n"
LINE = (
    "rows.csv: this file is a Git LFS pointer, its content is not fetched; commit the file itself, or fetch"
)
SCRIPT = (
    "bin/go.sh: this file is not executable in git, and the command of go needs it; run `git update-index"
)
MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry
job_registry.register(JobConfig(id="report", cron="@daily", command=["true"]))
job_registry.register(JobConfig(id="go", cron="@daily", command=["bin/go.sh"]))
"""


@pytest.mark.process
def test_a_check_a_sync_and_the_status_tell_the_same_remarks(cli: Cli, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle", branch="master")
    bundle.commit({"ops/manifest.py": MANIFEST, "ops/rows.csv": POINTER, "README.md": "a monorepo\n"})
    bundle.commit({"ops/bin/go.sh": "#!/bin/sh\n", "ops/uv.lock": "version = 1\n"})
    where = {"JOBS_GIT_REPO_URL": str(bundle.path), "JOBS_GIT_SUBDIR": "ops"}
    checked = cli("check", str(bundle.path), **where)
    assert checked.code == 0, checked
    assert LINE in checked.out
    assert f"\n{SCRIPT}" in checked.out
    told = cli("check", str(bundle.path / "ops"), "--json").json["remarks"]
    assert [remark["file"] for remark in told] == ["rows.csv", "bin/go.sh", "uv.lock"]
    synced = cli("sync", **where)
    assert synced.code == 0
    assert LINE in synced.out
    assert f"\n{SCRIPT}" in synced.out
    assert cli("sync", "--json", **where).json["remarks"] == told
    status = cli("status", "--json", **where).json
    assert status["remarks"] == told
    assert status["git_sync_status"]["branch"] == "master"
    assert " ".join(LINE.split()[:8]) in " ".join(cli("status", **where).out.split())


@pytest.mark.process
def test_a_check_of_a_repository_whose_bundle_is_elsewhere_names_the_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "repository" / "ops").mkdir(parents=True)
    (tmp_path / "repository" / "ops" / "manifest.py").write_text(MANIFEST)
    said = cli("check", str(tmp_path / "repository"))
    assert said.code == 1
    assert "There is ops/manifest.py: set JOBS_GIT_SUBDIR=ops" in said.out
