from __future__ import annotations

from pathlib import Path

import pytest

from tests.git_servers import BundleRepository
from tests.unit.container.cli.conftest import Cli


def test_a_sync_without_a_bundle_fails_and_says_what_to_set(cli: Cli) -> None:
    said = cli("sync")
    assert (said.code, said.out) == (1, "")
    assert "JOBS_GIT_REPO_URL" in said.err
    assert cli("sync", "--json").json["success"] is False


def test_a_rollback_to_an_unknown_revision_fails_with_the_reason(cli: Cli) -> None:
    said = cli("rollback", "0" * 40)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("sauron: ")


@pytest.mark.process
def test_a_sync_shows_what_loading_printed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    bundle.commit(
        {
            "manifest.py": "from sauron_jobs_loader import JobConfig, job_registry\nprint('at work')\n"
            "job_registry.register(JobConfig(id='a', cron='@daily', command=['true']))\n"
        }
    )
    monkeypatch.setenv("JOBS_GIT_REPO_URL", str(bundle.path))
    said = cli("sync")
    assert said.code == 0
    assert "manifest.py: loading printed, as it does at every check, sync and start: at work;" in said.out
