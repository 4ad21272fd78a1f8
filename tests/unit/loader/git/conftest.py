"""A bundle repository, servers that hand it out, and the two readers of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from tests.git_servers import BundleRepository, GitHttpServer, GitSshServer, serve_http, serve_ssh
from tests.unit.loader.git.sources import TOKEN, Kind


@pytest.fixture
def bundle(tmp_path: Path) -> BundleRepository:
    repository = BundleRepository.create(tmp_path / "served" / "bundle")
    repository.commit({"manifest.py": "one\n", "jobs/report.py": "run = 1\n"}, "the first")
    return repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state with space"


@pytest.fixture
def http(tmp_path: Path, bundle: BundleRepository) -> Iterator[GitHttpServer]:
    with serve_http(tmp_path / "served", token=TOKEN) as server:
        yield server


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[GitSshServer]:
    if shutil.which("ssh") is None:
        pytest.skip("needs an ssh client")
    with serve_ssh(tmp_path / "ssh keys 100%d") as server:
        yield server


@pytest.fixture(params=[GitSource, DulwichSource], ids=["git", "dulwich"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """What reads the repository; a promise that takes it is made with and without a git binary."""
    chosen: Kind = request.param
    return chosen
