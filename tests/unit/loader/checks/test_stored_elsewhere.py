"""Files whose content git does not give are named, in a commit and in an author's working copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sauron_jobs_loader.checks import stored_elsewhere
from sauron_jobs_loader.checks.all_checks import remarks
from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.checks.tree import BundleTree

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"4d" * 32)


def said(folder: Path, files: dict[str, bytes], *, committed: bool = True) -> list[Remark]:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return stored_elsewhere.check(BundleTree(folder, folder, committed=committed))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (POINTER, "this file is a Git LFS pointer, its content is not fetched"),
        (b"\0GITCRYPT\0" + b"\x8f" * 40, "this file is encrypted by git-crypt, and is not decrypted"),
        (b"U2FsdGVkX1+Zm9vYmFy\n", "this file is encrypted by transcrypt or openssl, and is not decrypted"),
        (
            b"/annex/objects/SHA256E-s3--ab.csv\n",
            "this file is a git-annex pointer, its content is not fetched",
        ),
    ],
)
def test_a_file_that_is_not_its_content_is_named(content: bytes, text: str, tmp_path: Path) -> None:
    (remark,) = said(tmp_path, {"data/rows.csv": content, "data/good.csv": b"a,b\n", "empty": b""})
    assert (remark.file, remark.line, remark.text) == ("data/rows.csv", None, text)
    assert remark.cure


def test_a_locked_file_of_git_annex_is_named(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").symlink_to(".git/annex/objects/aB/cD/SHA256E-s1--ab/SHA256E-s1--ab")
    (tmp_path / "ordinary").symlink_to("film.mp4")
    assert [remark.file for remark in said(tmp_path, {})] == ["film.mp4"]


def test_a_text_about_pointers_is_no_pointer(tmp_path: Path) -> None:
    about = b"# how a pointer begins\nversion https://git-lfs.github.com/spec/v1\n"
    assert said(tmp_path, {"README.md": about, "short": b"version https://git-lfs.github.com/spec/v1"}) == []


def test_a_filter_that_nobody_runs_is_named_with_its_line(tmp_path: Path) -> None:
    attributes = b"# *.py filter=none\n*.txt text\n*.ipynb diff=x filter=nbstripout\n"
    (remark,) = said(tmp_path, {".gitattributes": attributes, "a.ipynb": b"{}"})
    assert (remark.file, remark.line) == (".gitattributes", 3)
    assert "'nbstripout' of *.ipynb" in remark.text


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        (b"*.csv filter=lfs diff=lfs merge=lfs -text\n", ["a.csv", "data/deep/b.csv"]),
        (b"/a.csv filter=lfs\n", ["a.csv"]),
        (b"data/** filter=git-crypt diff=git-crypt\n", ["data/deep/b.csv"]),
        (b"*.parquet filter=lfs\n", []),
    ],
)
def test_an_author_hears_it_although_the_working_copy_has_the_content(
    attributes: bytes, named: list[str], tmp_path: Path
) -> None:
    files = {".gitattributes": attributes, "a.csv": b"1\n", "data/deep/b.csv": b"2\n"}
    found = said(tmp_path, files, committed=False)
    assert [remark.file for remark in found] == named
    assert all(".gitattributes, line 1" in remark.text for remark in found)
    assert said(tmp_path, {}, committed=True) == []


def test_a_bundle_inside_a_repository_knows_the_attributes_of_its_top(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitattributes").write_text("ops/*.csv filter=lfs\n")
    (tmp_path / "other.csv").write_bytes(POINTER)
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "rows.csv").write_text("1\n")
    tree = BundleTree.working_copy(tmp_path / "ops")
    assert [remark.file for remark in stored_elsewhere.check(tree)] == ["rows.csv"]


def test_pipes_in_a_working_copy_are_not_waited_for(tmp_path: Path) -> None:
    for name in (".gitattributes", ".gitmodules", "requirements.txt", "rows.csv"):
        os.mkfifo(tmp_path / name)
    assert remarks(BundleTree.working_copy(tmp_path)) == []
