"""Which branch is followed where none is configured, and what other kinds of repositories hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.default_branch import Head, followed
from sauron_jobs_loader.git.without_git.refs import ListedRefs, listed
from tests.git_servers import BundleRepository, git, serve_http
from tests.unit.loader.git.sources import Kind

ONE, TWO = "1" * 40, "2" * 40


def refs(head: Head, **branches: str) -> ListedRefs:
    return ListedRefs({f"refs/heads/{name}": sha for name, sha in branches.items()}, head, ())


@pytest.mark.parametrize(
    ("head", "branches", "name"),
    [
        (Head("trunk", TWO), {"main": ONE, "trunk": TWO}, "main"),
        (Head("master", ONE), {"master": ONE, "wip": TWO}, "master"),
        (Head("develop", TWO), {"master": ONE, "develop": TWO}, "develop"),
        (Head(None, TWO), {"wip": ONE}, "HEAD"),
    ],
)
def test_main_is_followed_or_else_what_head_names(head: Head, branches: dict[str, str], name: str) -> None:
    assert followed(refs(head, **branches), "url") == (name, branches.get(name, TWO))


@pytest.mark.parametrize(
    ("branches", "advice"),
    [
        ({"trunk": ONE}, "its branches are trunk; set JOBS_GIT_BRANCH=trunk"),
        ({"a": ONE, "b": TWO}, "its branches are a, b; set JOBS_GIT_BRANCH to one of them"),
    ],
)
def test_a_head_at_a_branch_that_is_not_there_names_the_setting(
    branches: dict[str, str], advice: str
) -> None:
    with pytest.raises(SourceError, match="HEAD names the branch 'master', which it does not have") as caught:
        followed(refs(Head("master", None), **branches), "url")
    assert advice in str(caught.value)


def test_a_server_that_does_not_say_which_branch_head_is_at_is_understood_as_git_does() -> None:
    advertised = {b"HEAD": ONE.encode(), b"refs/heads/abc": ONE.encode(), b"refs/heads/master": ONE.encode()}
    assert listed(advertised, {}, ()).head() == Head("master", ONE)
    assert listed({**advertised, b"HEAD": TWO.encode()}, {}, ()).head() == Head(None, TWO)


@pytest.mark.process
@pytest.mark.parametrize("over", ["path", "http"])
@pytest.mark.parametrize("branch", ["master", "live/now"])
def test_a_repository_without_main_is_followed_where_its_head_is(
    branch: str, over: str, kind: Kind, root: Path, tmp_path: Path
) -> None:
    bundle = BundleRepository.create(tmp_path / "other" / "bundle", branch=branch)
    sha = bundle.commit({"manifest.py": "x\n"})
    bundle.git("branch", "zzz")
    with serve_http(tmp_path / "other") as server:
        source = kind(str(bundle.path) if over == "path" else f"{server.url}/bundle/.git", root=root)
        assert source.fetch() == sha
        assert source.followed == branch
        sha = bundle.commit({"manifest.py": "y\n"})
        assert source.fetch() == sha
        assert source.fetch("HEAD") == sha
        bundle.git("branch", "main", "HEAD~1")
        assert source.fetch() == bundle.git("rev-parse", "main")
        assert source.followed == "main"


@pytest.mark.process
def test_a_configured_branch_that_is_not_there_names_the_setting(
    kind: Kind, root: Path, tmp_path: Path
) -> None:
    bundle = BundleRepository.create(tmp_path / "other", branch="master")
    bundle.commit({"manifest.py": "x\n"})
    source = kind(str(bundle.path), root=root, branch="main")
    with pytest.raises(SourceError, match="its branches are master; set JOBS_GIT_BRANCH=master"):
        source.fetch()
    with pytest.raises(SourceError, match="its branches are master; write one of them"):
        source.fetch("main")


@pytest.mark.process
def test_a_detached_head_of_a_shallow_clone_is_followed(kind: Kind, root: Path, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "deep")
    bundle.commit({"manifest.py": "x\n"})
    sha = bundle.commit({"manifest.py": "y\n"})
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth", "1", f"file://{bundle.path}", str(clone), cwd=tmp_path)
    git("checkout", "--quiet", "--detach", cwd=clone)
    git("branch", "--delete", "--force", "main", cwd=clone)
    source = kind(str(clone), root=root)
    assert (source.fetch(), source.followed) == (sha, "HEAD")
    assert (source.checkout(sha) / "manifest.py").read_text() == "y\n"
    with pytest.raises(SourceError, match=f"its HEAD is at commit {sha[:12]}.*leave JOBS_GIT_BRANCH unset"):
        kind(str(clone), root=tmp_path / "second", branch="main").fetch()


@pytest.mark.process
def test_a_shallow_repository_is_fetched_and_goes_on(kind: Kind, root: Path, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "deep")
    for text in ("one\n", "two\n"):
        bundle.commit({"manifest.py": text})
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth", "1", f"file://{bundle.path}", str(clone), cwd=tmp_path)
    source = kind(str(clone), root=root, branch="main")
    assert (source.checkout(source.fetch()) / "manifest.py").read_text() == "two\n"
    sha = bundle.commit({"manifest.py": "three\n"})
    git("fetch", "--quiet", "--depth", "1", cwd=clone)
    git("reset", "--quiet", "--hard", "origin/main", cwd=clone)
    assert source.fetch() == sha
    assert (source.checkout(sha) / "manifest.py").read_text() == "three\n"


@pytest.mark.process
def test_a_repository_that_lost_an_object_is_told_with_git_fsck(
    kind: Kind, root: Path, tmp_path: Path
) -> None:
    bundle = BundleRepository.create(tmp_path / "lost")
    bundle.commit({"manifest.py": "x\n"})
    blob = bundle.git("rev-parse", "HEAD:manifest.py").strip()
    (bundle.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    source = kind(str(bundle.path), root=root)
    with pytest.raises(SourceError, match=r"`git fsck` in (it|that repository)"):
        source.checkout(source.fetch())


@pytest.mark.process
def test_a_repository_with_longer_commit_ids_is_told_as_such(kind: Kind, root: Path, tmp_path: Path) -> None:
    git("init", "-q", "--object-format=sha256", str(tmp_path / "long"), cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=tmp_path / "long")
    with pytest.raises(SourceError, match="made with --object-format=sha256; write one with") as caught:
        kind(str(tmp_path / "long"), root=root).fetch()
    assert caught.value.fault is SourceFault.OBJECT_FORMAT


@pytest.mark.process
def test_a_partial_clone_is_named_with_how_to_complete_it(kind: Kind, root: Path, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "deep")
    bundle.commit({"manifest.py": "x\n"})
    bundle.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        f"file://{bundle.path}",
        str(clone),
        cwd=tmp_path,
    )
    source = kind(str(clone), root=root)
    with pytest.raises(SourceError, match=r"partial clone.*git fetch --refetch --no-filter") as caught:
        source.checkout(source.fetch())
    assert caught.value.fault is SourceFault.INCOMPLETE
    git("fetch", "--quiet", "--refetch", "--no-filter", cwd=clone)
    assert (source.checkout(source.fetch()) / "manifest.py").read_text() == "x\n"


@pytest.mark.process
def test_a_repository_with_tags_alone_is_not_called_empty(kind: Kind, root: Path, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "tagged")
    sha = bundle.commit({"manifest.py": "x\n"})
    bundle.git("tag", "v1")
    bundle.git("checkout", "--quiet", "--orphan", "none")
    bundle.git("branch", "--delete", "--force", "main")
    with pytest.raises(SourceError, match="no branch, only tags: v1; set JOBS_GIT_BRANCH"):
        kind(str(bundle.path), root=root).fetch()
    assert kind(str(bundle.path), root=root, branch="v1").fetch() == sha
