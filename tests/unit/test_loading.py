"""The seam to the loader chooses what fits the machine: git where there is one, else dulwich."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import BundleError
from chalicelib.loading import Revisions
from chalicelib.settings import Settings
from tests.git_servers import BundleRepository


def revisions(tmp_path: Path, url: str, **environ: str) -> Revisions:
    return Revisions(Settings.read({"JOBS_DIR": str(tmp_path / "state"), "JOBS_GIT_REPO_URL": url, **environ}))


@pytest.mark.parametrize("with_git", [True, False])
def test_a_bundle_is_loaded_with_and_without_git(with_git: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    sha = bundle.commit({"manifest.py": "from sauron_jobs_loader import *\n"}, "an empty manifest")
    if not with_git:
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    loader = revisions(tmp_path, str(bundle.path))
    try:
        assert loader.fetch(None) == sha
        assert loader.load(sha).subject == "an empty manifest"
        assert loader.display_url == str(bundle.path)
        assert (tmp_path / "state" / "mirror.git").exists() is with_git
    finally:
        loader.close()


def test_without_git_an_ssh_address_is_refused_with_what_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundleError, match="write https://host/org/repo"):
        revisions(tmp_path, "git@host:org/repo").fetch(None)
