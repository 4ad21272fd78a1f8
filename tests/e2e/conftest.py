"""What every test from outside is given."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.outside import Cli, Repository, Said, Serve, Served, command, start


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "bundle")


@pytest.fixture
def serve(tmp_path: Path, repository: Repository) -> Iterator[Serve]:
    """Start Sauron over the test's repository; everything started ends with the test."""
    started: list[Served] = []

    def begin(folder: str = "home", **environ: str) -> Served:
        started.append(start(tmp_path / folder, **{"JOBS_GIT_REPO_URL": str(repository.folder), **environ}))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def cli(tmp_path: Path, repository: Repository, empty_store: Path) -> Cli:
    """Run `sauron` as a process in the home folder of the test, over the test's repository.

    The folder `home` begins with an empty store: migrating one takes longer than most commands.
    """

    def run(*arguments: str, folder: str = "home", seconds: float = 60, **environ: str) -> Said:
        store = tmp_path / folder / ".sauron" / "sauron.sqlite3"
        if folder == "home" and not store.parent.parent.exists():
            store.parent.mkdir(parents=True)
            shutil.copy(empty_store, store)
        known = {"JOBS_GIT_REPO_URL": str(repository.folder), **environ}
        return command(tmp_path / folder, *arguments, seconds=seconds, **known)

    return run
