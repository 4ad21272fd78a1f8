from __future__ import annotations

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
