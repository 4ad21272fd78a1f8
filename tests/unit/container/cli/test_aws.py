from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.container.cli.conftest import Cli


@pytest.mark.parametrize("act", ["up", "down"])
def test_an_invalid_stage_name_is_refused_with_what_to_write(cli: Cli, act: str) -> None:
    said = cli("aws", act, "--stage", "Prod")
    assert (said.code, said.out) == (2, "")
    assert "'Prod' is not a valid stage name. Use lower-case letters, digits and dashes" in said.err


@pytest.mark.parametrize("act", ["up", "down"])
def test_a_stage_is_changed_from_this_machine_only(cli: Cli, act: str) -> None:
    said = cli("aws", act, "--url", "http://127.0.0.1:9")
    assert said.code == 2
    assert f"aws {act} works on this machine only" in said.err


def test_all_that_up_misses_is_reported_at_once_and_no_secret_is_shown(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "prod.env"
    file.write_text("JOBS_GIT_TOKEN=hush-hush-hush\nAWS_PROFILE=nope\n")
    said = cli("aws", "up", "--dry-run", "--env-file", str(file), AWS_REGION="us-east-1")
    assert said.code == 2
    for name in ("JOB_QUEUE_DB_URL", "JOBS_GIT_REPO_URL", "SAURON_API_TOKENS"):
        assert name in said.err
    assert "hush" not in said.err


def test_every_line_of_the_env_file_that_cannot_be_read_is_named_and_none_is_shown(
    cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "prod.env"
    file.write_text('SAURON_API_TOKENS="me:admin:hush-hush-hush\nAPI_PORT 8080\n')
    said = cli("aws", "up", "--dry-run", "--env-file", str(file), AWS_REGION="us-east-1")
    assert said.code == 2
    assert f"{file}, line 1: the quotes do not fit" in said.err
    assert f"{file}, line 2: this is not a setting" in said.err
    assert "hush" not in said.err
