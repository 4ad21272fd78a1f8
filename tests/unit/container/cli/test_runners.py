from __future__ import annotations

import pytest

from tests.unit.container.cli.conftest import Cli


@pytest.mark.parametrize("act", ["drain", "resume"])
def test_an_unknown_runner_is_exit_1_with_its_name(cli: Cli, act: str) -> None:
    said = cli(act, "nobody-1")
    assert (said.code, said.out) == (1, "")
    assert "nobody-1" in said.err
