"""Addresses and names as people really type them: the likely mistake is named, and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError
from sauron_jobs_loader.git.address import parse_address
from sauron_jobs_loader.git.refusals import unknown_ref
from sauron_jobs_loader.git.source import GitSource

HTTP = "write https://gitea:3000/ops/jobs.git; where there is no TLS, write ssh://git@gitea/ops/jobs.git"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://gitea:3000/ops/jobs.git", HTTP),
        ("http://gitea:3000/ops/jobs.git", "the path of a bare repository that is mounted here"),
        ("http://me:pw@[fd00::2]:8080/o/r", "write https://[fd00::2]:8080/o/r;"),
        ("git@host:2222/o/r.git", "if that is a port, write ssh://git@host:2222/o/r.git; if it is a folder"),
        ("host:22/o/r", "write ssh://host:22/o/r; if it is a folder, ssh://host/22/o/r"),
        ("ssh://git@host:o/r.git", "write git@host:o/r.git or ssh://git@host/o/r.git"),
        (
            "C:\\repos\\jobs",
            "is a path of Windows; write the path that the folder has here: /mnt/c/",
        ),
        ("d:/repos/jobs", "/mnt/d/repos/jobs in WSL"),
        ("\\\\nas\\jobs", "is a network share of Windows"),
        ("https://bücher.example/o/r", "write it in its ASCII form, xn--bcher-kva.example"),
        (
            "https://github.com/o/r/tree/release/2",
            "the address of the repository, https://github.com/o/r, ",
        ),
        ("https://github.com/o/r/tree/release/2", "JOBS_GIT_BRANCH=release/2"),
        ("https://gitlab.com/g/s/r/-/tree/main", "https://gitlab.com/g/s/r, and JOBS_GIT_BRANCH=main"),
        ("https://codeberg.org/o/r/src/branch/main", "is the address of a page"),
        ("git clone https://github.com/o/r", "is a whole command"),
        ('"https://github.com/o/r"', "write it without quotes"),
        ("git+https://github.com/o/r", "write it without git+"),
        ("git://github.com/o/r", "write https://github.com/o/r"),
        ("file://nas/share/jobs", "mount the folder here"),
    ],
)
def test_an_address_that_means_something_else_is_refused_with_what_to_write(url: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_address(url)
    assert words in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "git@host:2222/r.git",
        "https://host/tree/r",
        "https://host/o/tree",
        "git@host:o/2222/r",
        "https://host/o/r/",
    ],
)
def test_an_address_that_only_looks_alike_is_accepted(url: str) -> None:
    assert parse_address(url).display == url


@pytest.mark.parametrize(
    ("ref", "meant"),
    [
        ("origin/main", "main"),
        ("remotes/origin/main", "main"),
        ("refs/remotes/origin/feature/x", "feature/x"),
        ("upstream/feature/x", "feature/x"),
        ("heads/main", "main"),
        ("tags/rel", "rel"),
        ("Main", "main"),
    ],
)
def test_a_ref_that_is_named_otherwise_is_understood(ref: str, meant: str) -> None:
    told = unknown_ref(ref, ["feature/x", "main"], "url", tags=["rel"])
    assert f"did you mean {meant!r}?" in str(told)
    told = unknown_ref(ref, ["feature/x", "main"], "url", tags=["rel"], configured=True)
    assert f"Set JOBS_GIT_BRANCH={meant}" in str(told)


def test_a_name_that_is_no_branch_names_the_setting_it_came_from(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="as JOBS_GIT_BRANCH"):
        GitSource("https://host/o/r", root=tmp_path, branch="two words")
    with pytest.raises(SourceError, match="set JOBS_GIT_REPO_URL to the path of a git repository"):
        GitSource("/no/such/folder", root=tmp_path).fetch()
    keyless = GitSource("git@host:o/r", root=tmp_path, ssh_key_file=tmp_path / "key")
    with pytest.raises(SourceError, match="or set SAURON_SSH_KEY_PATH to where it is"):
        keyless.fetch()
