from __future__ import annotations

import pytest

from tests.unit.container.cli.conftest import Cli


@pytest.mark.parametrize("order", [("--json", "version"), ("version", "--json")])
def test_the_shared_options_may_stand_before_and_after_the_command(cli: Cli, order: tuple[str, ...]) -> None:
    assert set(cli(*order).json) == {"version"}


def test_an_address_without_a_scheme_is_wrong_use(cli: Cli) -> None:
    said = cli("list", "--url", "host:8080")
    assert said.code == 2
    assert "'host:8080' is not a valid address. Write http://host:port" in said.err


def test_a_sauron_that_cannot_be_reached_is_named_with_its_address(cli: Cli) -> None:
    said = cli("status", SAURON_URL="http://127.0.0.1:9")
    assert said.code == 1
    assert "http://127.0.0.1:9 cannot be reached" in said.err


def test_a_refused_act_is_exit_1_and_refused_arguments_are_exit_2(cli: Cli) -> None:
    assert cli("show", "no-such-run").code == 1
    assert cli("run", "no-such-job").code == 1
    assert cli("disable", "no-such-job", "--until", "soon").code == 2
