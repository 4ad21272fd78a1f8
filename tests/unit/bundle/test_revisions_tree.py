"""What is in the repository's tree decides: the bundle's folder, and the remarks that its author is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.revisions import Revisions
from chalicelib.errors import BundleError, UnknownRefError
from chalicelib.settings import Settings
from tests.git_servers import BundleRepository
from tests.unit.bundle.test_revisions import revisions

pytestmark = pytest.mark.process

EMPTY = "import sauron_jobs_loader\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n"


def pushed(tmp_path: Path, files: dict[str, str], **environ: str) -> tuple[Revisions, str]:
    bundle = BundleRepository.create(tmp_path / "bundle", branch="master")
    sha = bundle.commit(files)
    loader = revisions(tmp_path, str(bundle.path), **environ)
    assert loader.fetch(None) == sha
    assert loader.followed == "master"
    return loader, sha


@pytest.mark.parametrize("subdir", [None, "ops/sauron"])
def test_a_bundle_in_a_folder_of_its_repository_is_loaded_with_its_remarks(
    subdir: str | None, tmp_path: Path
) -> None:
    at = f"{subdir}/" if subdir else ""
    files = {f"{at}manifest.py": f"import beside\n{EMPTY}", f"{at}beside.py": "", f"{at}rows.csv": POINTER}
    loader, sha = pushed(tmp_path, files, **({"JOBS_GIT_SUBDIR": f"/{subdir}/"[1:]} if subdir else {}))
    try:
        (remark,) = loader.load(sha).remarks
        loader.retire({sha})
    finally:
        loader.close()
    assert remark == {
        "file": "rows.csv",
        "line": None,
        "text": "this file is a Git LFS pointer, its content is not fetched",
        "cure": remark["cure"],
    }


def test_a_manifest_in_another_folder_is_named_with_the_setting(tmp_path: Path) -> None:
    loader, sha = pushed(tmp_path, {"ops/manifest.py": EMPTY})
    try:
        with pytest.raises(BundleError, match=r"There is ops/manifest\.py: set JOBS_GIT_SUBDIR=ops\."):
            loader.load(sha)
    finally:
        loader.close()


def test_an_import_from_a_submodule_names_the_submodule(tmp_path: Path) -> None:
    shared = BundleRepository.create(tmp_path / "shared")
    shared.commit({"common.py": ""})
    bundle = BundleRepository.create(tmp_path / "bundle")
    bundle.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(shared.path), "shared")
    sha = bundle.commit({"manifest.py": "from shared.common import x\n"})
    loader = revisions(tmp_path, str(bundle.path))
    try:
        loader.fetch(None)
        with pytest.raises(BundleError) as caught:
            loader.load(sha)
    finally:
        loader.close()
    assert "the folder shared is empty: if it is a git submodule" in str(caught.value)
    assert "Also, shared: this folder is a git submodule, its files are not fetched" in str(caught.value)
    assert "is the file committed" not in str(caught.value)


def test_a_ref_that_a_caller_names_is_told_from_a_branch_that_is_configured(tmp_path: Path) -> None:
    loader, _ = pushed(tmp_path, {"manifest.py": EMPTY})
    with pytest.raises(UnknownRefError, match=r"did you mean 'master'\?"):
        loader.fetch("origin/master")
    with pytest.raises(UnknownRefError, match="is not a valid branch"):
        loader.fetch("two words")
    configured = revisions(tmp_path, str(tmp_path / "bundle"), JOBS_GIT_BRANCH="tags/none")
    with pytest.raises(BundleError, match="set JOBS_GIT_BRANCH=master") as caught:
        configured.fetch(None)
    assert not isinstance(caught.value, UnknownRefError)


def test_an_exception_of_the_machine_is_told_in_words_without_secrets(tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    bundle.commit({"manifest.py": EMPTY})
    settings = dataclasses.replace(
        Settings.read({"JOBS_GIT_REPO_URL": str(bundle.path), "JOBS_GIT_TOKEN": "hidden-token-9"}),
        jobs_dir=tmp_path / "state\0hidden-token-9",
    )
    loader = Revisions(settings, JobEnvironment(settings))
    with pytest.raises(BundleError, match=r"while fetching the bundle \(ValueError: ") as caught:
        loader.fetch(None)
    assert "hidden-token-9" not in str(caught.value)
