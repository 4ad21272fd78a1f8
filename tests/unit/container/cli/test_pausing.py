from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.container.cli.conftest import Cli


@pytest.mark.parametrize(("until", "length"), [("2h", timedelta(hours=2)), ("90d", timedelta(days=90))])
def test_a_pause_ends_after_a_length_as_a_switch_does(cli: Cli, until: str, length: timedelta) -> None:
    second = timedelta(seconds=1)
    before = datetime.now(UTC)
    ends = datetime.fromisoformat(cli("pause", "--until", until, "--json").json["paused"]["until"])
    assert before + length - second <= ends <= datetime.now(UTC) + length


def test_a_pause_ends_at_a_time_and_another_end_is_wrong_use(cli: Cli) -> None:
    ends = cli("pause", "--until", "2099-01-31T08:00Z", "--json").json["paused"]["until"]
    assert datetime.fromisoformat(ends) == datetime(2099, 1, 31, 8, tzinfo=UTC)
    for wrong in ("nope", "0001-01-01T00:00:00+01:00", "999999w"):
        said = cli("pause", "--until", wrong)
        assert (said.code, said.out) == (2, "")
        assert "--until" in said.err
