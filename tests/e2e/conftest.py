"""What every test from outside is given."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.outside import Cli, Repository, Said, Serve, Served, command, start


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "bundle")


def seed(home: Path, empty_store: Path) -> None:
    """Give a new home folder an empty store: migrating one takes longer than most commands and starts."""
    store = home / ".sauron" / "sauron.sqlite3"
    if not home.exists():
        store.parent.mkdir(parents=True)
        shutil.copy(empty_store, store)


@pytest.fixture
def serve(tmp_path: Path, repository: Repository, empty_store: Path) -> Iterator[Serve]:
    """Start Sauron over the test's repository; everything started ends with the test.

    A new folder begins with an empty store, unless the start is to be `first`, of another version or over
    another store.
    """
    started: list[Served] = []

    def begin(
        folder: str = "home", *, first: bool = False, within: Sequence[str] = (), **environ: str
    ) -> Served:
        if not first and not {"PYTHONPATH", "JOB_QUEUE_DB_URL"} & environ.keys():
            seed(tmp_path / folder, empty_store)
        known = {"JOBS_GIT_REPO_URL": str(repository.folder), **environ}
        started.append(start(tmp_path / folder, within, **known))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def cli(tmp_path: Path, repository: Repository, empty_store: Path) -> Cli:
    """Run `sauron` as a process in the home folder of the test, over the test's repository.

    The folder `home` begins with an empty store.
    """

    def run(*arguments: str, folder: str = "home", seconds: float = 60, **environ: str) -> Said:
        if folder == "home":
            seed(tmp_path / folder, empty_store)
        known = {"JOBS_GIT_REPO_URL": str(repository.folder), **environ}
        return command(tmp_path / folder, *arguments, seconds=seconds, **known)

    return run
