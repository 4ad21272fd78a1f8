from __future__ import annotations

import sys

import pytest

from sauron import main


@pytest.fixture(autouse=True)
def _started_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [main.__file__])


def test_help_says_the_steps_of_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    sys.argv.append("--help")
    assert main.main() == 0
    assert "2. read the settings" in capsys.readouterr().out


def test_an_argument_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    sys.argv.append("--port=80")
    assert main.main() == 2
    assert "unknown argument '--port=80'" in capsys.readouterr().out


def test_wrong_settings_are_reported_all_at_once_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAURON_WORKERS", "many")
    monkeypatch.setenv("API_PORT", "none")
    assert main.main() == 2
    said = capsys.readouterr().err
    assert "SAURON_WORKERS" in said
    assert "API_PORT" in said
