"""Both readers of a repository keep the same limits, and leave nothing behind that cannot be removed."""

from __future__ import annotations

import hashlib
import zlib
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.limits import TreeCount, TreeLimits, reader_of_ls_tree
from tests.git_servers import BundleRepository, serve_http
from tests.unit.loader.git.sources import Kind

SHA = "a" * 40


def tree_of(repository: BundleRepository, entries: list[tuple[str, str, str]]) -> str:
    """Write a tree of (mode, name, id) as git does, without a process for each."""
    content = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(sha) for mode, name, sha in entries)
    raw = b"tree %d\0" % len(content) + content
    sha = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    file = repository.path / ".git" / "objects" / sha[:2] / sha[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(raw))
    return sha


def commit_of(repository: BundleRepository, tree: str) -> str:
    sha = repository.git("commit-tree", tree, "-m", "odd")
    repository.git("update-ref", "refs/heads/main", sha)
    return sha


@pytest.fixture
def repository(tmp_path: Path) -> BundleRepository:
    made = BundleRepository.create(tmp_path / "served" / "bundle")
    made.commit({"manifest.py": "x\n"})
    return made


def deep(repository: BundleRepository, levels: int) -> str:
    """Make a commit of folders inside each other."""
    blob = repository.git("hash-object", "-w", "manifest.py")
    tree = tree_of(repository, [("100644", "manifest.py", blob)])
    for _ in range(levels):
        tree = tree_of(repository, [("40000", "d", tree)])
    return commit_of(repository, tree)


def bomb(repository: BundleRepository, *, wide: int, levels: int) -> str:
    blob = repository.git("hash-object", "-w", "manifest.py")
    tree = tree_of(repository, [("100644", f"f{number:03}", blob) for number in range(wide)])
    for _ in range(levels):
        tree = tree_of(repository, [("40000", f"d{number:03}", tree) for number in range(wide)])
    return commit_of(repository, tree)


@pytest.mark.process
@pytest.mark.parametrize("over", ["path", "http"])
def test_a_tree_beyond_the_limits_is_refused_and_leaves_nothing(
    over: str, kind: Kind, repository: BundleRepository, root: Path, tmp_path: Path
) -> None:
    few = TreeLimits(depth=20, entries=100, size=5000)
    with serve_http(tmp_path / "served") as server:
        url = str(repository.path) if over == "path" else f"{server.url}/bundle/.git"
        for sha, words in (
            (deep(repository, 25), r"holds folders more than 20 deep \(d/d/d/"),
            (bomb(repository, wide=8, levels=6), "holds more than 100 files and folders"),
            (repository.commit({"big": "x" * 6000}), "holds more than 0 MB"),
        ):
            source = kind(url, root=root, limits=few)
            with pytest.raises(SourceError, match=words) as caught:
                source.checkout(source.fetch(sha) if kind.__name__ == "GitSource" else sha)
            assert caught.value.fault is SourceFault.UNSAFE_CONTENT
            assert not list(root.glob("revisions/*"))


@pytest.mark.process
def test_folders_deeper_than_any_recursion_are_refused_by_default(
    kind: Kind, repository: BundleRepository, root: Path
) -> None:
    sha = deep(repository, 1200)
    source = kind(str(repository.path), root=root)
    with pytest.raises(SourceError, match="more than 100 deep") as caught:
        source.checkout(sha)
    assert len(str(caught.value)) < 500
    assert not list(root.glob("revisions/*"))


@pytest.mark.process
def test_writing_a_commit_ends_at_the_time_limit(
    kind: Kind, repository: BundleRepository, root: Path
) -> None:
    sha = bomb(repository, wide=12, levels=4)
    kind(str(repository.path), root=root).fetch()
    source = kind(str(repository.path), root=root, timeout=timedelta(seconds=0.3))
    with pytest.raises(SourceError, match=r"it took longer than 0\.3 seconds") as caught:
        source.checkout(sha)
    assert caught.value.fault is SourceFault.TIMED_OUT
    assert not list(root.glob("revisions/*"))


@pytest.mark.process
@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".git/config", b"[core\nrepositoryformatversion = x\0"),
        (".git/packed-refs", b"\xff\xfe nonsense\n"),
        (".git/refs/heads/main", b"nonsense\n"),
    ],
)
def test_a_damaged_repository_is_told_in_words_of_the_source(
    file: str, content: bytes, kind: Kind, repository: BundleRepository, root: Path
) -> None:
    (repository.path / file).write_bytes(content)
    source = kind(str(repository.path), root=root, branch="main")
    with pytest.raises(SourceError):
        source.checkout(source.fetch())


def test_a_listing_is_counted_in_whatever_pieces_it_comes() -> None:
    lines = ("040000 tree {}       -\ta", "100644 blob {}      12\ta/b", "160000 commit {}       -\tsub")
    listing = b"".join(line.format(SHA).encode() + b"\0" for line in lines)
    for step in (1, 7, 1000):
        take = reader_of_ls_tree(TreeCount(SHA, TreeLimits(entries=3, size=12)))
        for at in range(0, len(listing), step):
            take(listing[at : at + step])
        with pytest.raises(SourceError, match="more than 3 files and folders"):
            take(b"100644 blob %s       0\tempty\0" % SHA.encode())
