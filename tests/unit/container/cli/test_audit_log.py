from __future__ import annotations

import pytest

from tests.unit.container.cli.conftest import Cli


def test_what_this_command_line_did_is_listed_with_its_reason(cli: Cli) -> None:
    assert "No act matches" in cli("audit-log").err
    assert cli("disable", "no-such", "--reason", "a try").code == 1
    said = cli("audit-log")
    assert said.code == 0
    for word in ("local", "cli", "disable", "no-such", "refused"):
        assert word in said.out
    (entry,) = cli("audit-log", "--json", "--who", "local", "--since", "900000h").json["entries"]
    assert (entry["who"], entry["door"], entry["reason"]) == ("local", "cli", "a try")
    assert entry["address"] is None
    assert cli("audit-log", "--json", "--act", "enable").json["entries"] == []


def test_pages_and_wrong_filters(cli: Cli) -> None:
    for name in ("one", "two", "three"):
        cli("enable", name)
    first = cli("audit-log", "--limit", "2")
    assert first.out.index("three") < first.out.index("two")
    assert "--after" in first.err
    assert cli("audit-log", "--door", "window").code == 2


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_a_reason_of_a_cancel_or_retry_is_kept(cli: Cli, act: str) -> None:
    cli(act, "no-such-run", "--reason", "by hand")
    assert cli("audit-log", "--json").json["entries"][0]["reason"] == "by hand"


def test_what_came_of_an_act_stands_beside_it(cli: Cli) -> None:
    assert cli("pause", "--reason", "a move").code == 0
    assert "in force until somebody ends it" in cli("audit-log").out
    assert cli("unpause").code == 0
    said = cli("audit-log").out
    assert "runs start again" in said
    assert "ended by local" in said
