"""A bundle is found in its folder of the repository, or refused with the folders that hold a manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sauron_jobs_loader.bundle_folder import bundle_folder
from sauron_jobs_loader.errors import BootError


def write(top: Path, *manifests: str) -> Path:
    for name in manifests:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    return top


@pytest.mark.parametrize("subdir", [None, "ops", "a/b/c"])
def test_the_bundle_is_in_the_folder_that_is_configured(subdir: str | None, tmp_path: Path) -> None:
    top = write(tmp_path, "manifest.py", "ops/manifest.py", "a/b/c/manifest.py")
    assert bundle_folder(top, subdir) == (top / subdir if subdir else top)


@pytest.mark.parametrize(
    ("there", "subdir", "words"),
    [
        (
            ["ops/manifest.py"],
            None,
            "at its top. There is ops/manifest.py: set JOBS_GIT_SUBDIR=ops",
        ),
        (
            ["b/manifest.py", "a/x/manifest.py"],
            None,
            "There is b/manifest.py, a/x/manifest.py: set JOBS_GIT_SUBDIR=b.",
        ),
        (
            ["manifest.py"],
            "ops",
            "in ops (JOBS_GIT_SUBDIR): there is no such folder. There is manifest.py",
        ),
        (["ops/x.py", "jobs/manifest.py"], "ops", "no manifest.py in ops (JOBS_GIT_SUBDIR). There is jobs/"),
        ([".venv/manifest.py"], None, "at its top. Add one that registers the jobs"),
        (["Manifest.PY"], None, "There is Manifest.PY: rename it to manifest.py."),
        (["manifest.py/jobs.py"], None, "is a folder: write the jobs into a file manifest.py."),
    ],
)
def test_a_folder_without_a_manifest_names_what_is_there_and_the_setting(
    there: list[str], subdir: str | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(BootError) as caught:
        bundle_folder(write(tmp_path, *there), subdir)
    assert words in str(caught.value)


def test_a_pipe_in_place_of_a_manifest_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.py")
    with pytest.raises(BootError, match=r"is a pipe or a device: write the jobs into a file manifest\.py"):
        bundle_folder(tmp_path, None)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("manifest.py", "at its top. What has that name is a link that leads to no file: commit the file"),
        ("nowhere/manifest.py", "a link that leads to no file"),
    ],
)
def test_a_link_in_place_of_a_manifest_is_told(target: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.py").symlink_to(target)
    with pytest.raises(BootError) as caught:
        bundle_folder(tmp_path, None)
    assert words in str(caught.value)
