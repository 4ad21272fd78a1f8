from __future__ import annotations

import pytest

from tests.unit.container.cli.conftest import Cli

pytestmark = pytest.mark.every_store


def test_the_command_says_what_is_wrong(cli: Cli) -> None:
    said = cli("alerts")
    assert (said.code, said.out) == (0, "Nothing is wrong.\n")
    assert "no channel is configured" in said.err
    assert cli("alerts", "--json").json["open"] == []


def test_the_test_command_exits_1_when_no_channel_is_configured_or_one_failed(cli: Cli) -> None:
    none = cli("alerts", "test")
    assert none.code == 1
    assert "ALERT_EMAIL" in none.err
    failed = cli("alerts", "test", SAURON_ALERT_WEBHOOK_URL="http://127.0.0.1:9/services/hidden")
    assert failed.code == 1
    assert "webhook: 127.0.0.1: no connection" in failed.err
    said = cli("--json", "alerts", "test", SAURON_ALERT_WEBHOOK_URL="http://127.0.0.1:9/services/hidden")
    assert said.code == 1
    assert said.json["success"] is False
    assert "hidden" not in said.out
