"""Hints hold a command that can be pasted, wherever Sauron is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron.typed_command import typed_command


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "check out" / ".venv/bin"
    folder.mkdir(parents=True)
    for name in ("python", "sauron"):
        (folder / name).touch(mode=0o755)
    return folder


def test_a_command_on_the_path_is_its_name(bin_folder: Path, tmp_path: Path) -> None:
    assert typed_command(interpreter=bin_folder / "python", folder=tmp_path, path=str(bin_folder)) == "sauron"


def test_in_the_checkout_it_is_a_short_path(bin_folder: Path) -> None:
    folder = bin_folder.parents[1]
    assert typed_command(interpreter=bin_folder / "python", folder=folder, path="/bin") == ".venv/bin/sauron"


def test_elsewhere_it_is_the_whole_path_as_a_shell_takes_it(bin_folder: Path) -> None:
    said = typed_command(interpreter=bin_folder / "python", folder=Path("/"), path="/bin")
    assert said in {f"'{bin_folder}/sauron'", f"'{str(bin_folder)[1:]}/sauron'"}


def test_another_sauron_on_the_path_is_not_meant(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sauron").touch(mode=0o755)
    folder = bin_folder.parents[1]
    said = typed_command(interpreter=bin_folder / "python", folder=folder, path=str(tmp_path / "other"))
    assert said == ".venv/bin/sauron"


def test_without_an_installed_command_it_is_the_name(tmp_path: Path) -> None:
    assert typed_command(interpreter=tmp_path / "python", folder=tmp_path, path="/bin") == "sauron"
