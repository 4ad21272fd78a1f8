from __future__ import annotations

from pathlib import Path

from tests.unit.container.cli.conftest import Cli

WELL = {"SAURON_ALERT_WEBHOOK_URL": "https://hooks.example.org/x", "SAURON_HEARTBEAT_URL": "https://m.test/x"}


def test_mistakes_come_first_with_their_cure_and_the_exit_code_tells(cli: Cli) -> None:
    said = cli("doctor", "--offline", **WELL)
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[:2] == [
        "git address: no bundle is configured, so only builtin jobs run",
        "  fix: set JOBS_GIT_REPO_URL",
    ]
    assert lines[-1].endswith("checks are well.")


def test_all_well_is_one_line(cli: Cli, tmp_path: Path) -> None:
    said = cli("doctor", "--offline", JOBS_GIT_REPO_URL=str(tmp_path), **WELL)
    assert (said.code, len(said.out.splitlines()), said.err) == (0, 1, "")


def test_settings_that_cannot_be_read_are_findings_beside_the_others(cli: Cli) -> None:
    said = cli(
        "doctor",
        "--json",
        "--offline",
        API_PORT="x",
        SAURON_WORKERS="0",
        SAURON_SMTP_URL="smtp://u:hunter22@",
    )
    assert said.code == 1
    assert all(set(one) == {"check", "ok", "found", "fix"} for one in said.json)
    wrong = [one for one in said.json if one["check"] == "settings"]
    assert [one["fix"].partition(";")[0] for one in wrong] == [
        "the host is missing",
        "write a whole number from 0 to 65535",
        "write a whole number from 1 to 256",
    ]
    assert {"alert channel", "clock", "open api"} <= {one["check"] for one in said.json}
    assert "hunter22" not in said.out


def test_it_looks_at_this_machine_alone(cli: Cli) -> None:
    said = cli("doctor", "--url", "http://127.0.0.1:9")
    assert said.code == 2
    assert "works on this machine only" in said.err
