"""A submodule is named, whichever way it came into the bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.checks import submodules
from sauron_jobs_loader.checks.all_checks import MOST, remarks
from sauron_jobs_loader.checks.tree import BundleTree
from sauron_jobs_loader.git.source import GitSource
from tests.git_servers import BundleRepository
from tests.unit.loader.git.sources import Kind


@pytest.fixture(params=["git", "dulwich"])
def kind(request: pytest.FixtureRequest) -> Kind:
    from sauron_jobs_loader.git.without_git.source import DulwichSource

    return GitSource if request.param == "git" else DulwichSource


@pytest.mark.process
@pytest.mark.parametrize("named", [True, False])
def test_the_submodule_of_a_commit_is_named(named: bool, kind: Kind, tmp_path: Path) -> None:
    shared = BundleRepository.create(tmp_path / "shared")
    shared.commit({"common.py": "x = 1\n"})
    bundle = BundleRepository.create(tmp_path / "bundle")
    bundle.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(shared.path), "lib/shared"
    )
    if not named:
        (bundle.path / ".gitmodules").unlink()
    sha = bundle.commit({"manifest.py": "x\n"})
    folder = kind(str(bundle.path), root=tmp_path / "state").checkout(sha)
    for tree in (BundleTree(folder, folder, committed=True), BundleTree.working_copy(bundle.path)):
        (remark,) = submodules.check(tree)
        assert remark.file == "lib/shared"
        assert remark.text.startswith("this folder is a git submodule, its files are not fetched")
        assert (".gitmodules, line 2" in remark.text) is named


def test_an_empty_folder_of_an_author_is_no_submodule(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert submodules.check(BundleTree(tmp_path, tmp_path, committed=False)) == []


def test_many_remarks_of_one_kind_are_counted(tmp_path: Path) -> None:
    for number in range(MOST + 3):
        (tmp_path / f"file{number:02}").write_bytes(b"\0GITCRYPT\0")
    found = remarks(BundleTree(tmp_path, tmp_path, committed=True))
    assert len(found) == MOST + 1
    assert found[-1].text == "3 more are like this one"
