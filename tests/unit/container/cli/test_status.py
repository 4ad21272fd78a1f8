from __future__ import annotations

from chalicelib import __version__
from tests.unit.container.cli.conftest import Cli


def test_version_is_the_version_and_nothing_else(cli: Cli) -> None:
    said = cli("version")
    assert (said.code, said.out, said.err) == (0, f"{__version__}\n", "")


def test_status_shows_clock_queue_and_bundle(cli: Cli) -> None:
    shown = {line.partition("  ")[0]: line for line in cli("status").out.splitlines()}
    assert {"scheduler", "last tick", "queue", "runners", "bundle"} <= set(shown)
    assert "JOBS_GIT_REPO_URL" in shown["bundle"]
    assert "0 queued, 0 running" in shown["queue"]


def test_status_says_that_nothing_is_claimed(cli: Cli) -> None:
    assert "not claiming" in cli("status", JOB_QUEUE_ENABLED="0").out


def test_an_audit_before_the_first_tick_says_so(cli: Cli) -> None:
    said = cli("audit")
    assert said.code == 0
    assert "nothing to audit yet" in said.out
