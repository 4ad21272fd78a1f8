from __future__ import annotations

from typing import Any

import pytest

from sauron.cli.client import Client, LogPart
from sauron.cli.follow import follow


class Scripted(Client):
    """A client whose run writes a given log."""

    def __init__(self, *parts: LogPart) -> None:
        super().__init__()
        self.parts = list(parts)
        self.positions: list[str] = []

    def log(self, run_id: str, after: str) -> LogPart:  # noqa: ARG002 - the client's signature
        self.positions.append(after)
        return self.parts.pop(0)

    def get(self, path: str, **query: Any) -> Any:  # noqa: ARG002 - the client's signature
        return {"path": path, "state": "succeeded"}


PARTS = (
    LogPart("first\n", "6", "running", more=True),
    LogPart("second\n", "13", "running", more=True),
    LogPart("last\n", "18", "succeeded", more=False),
)


def test_every_part_of_a_log_is_shown_once_and_the_finished_run_is_returned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = Scripted(*PARTS)
    assert follow(client, "r1") == {"path": "/runs/r1", "state": "succeeded"}
    assert capsys.readouterr().out == "first\nsecond\nlast\n"
    assert client.positions == ["0", "6", "13"]


def test_a_log_can_be_followed_without_showing_it(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Scripted(*PARTS), "r1", show_text=False)
    assert capsys.readouterr().out == ""
