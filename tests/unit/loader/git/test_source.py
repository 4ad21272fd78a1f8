"""A branch, tag or commit is fetched and checked out, or refused with what is wrong."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from tests.git_servers import BundleRepository, git, serve_http
from tests.unit.loader.git.sources import Kind, source_of

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    "ref", ["", "-x", "--output=x", "a..b", "a b", "a:b", "a@{1}", "main^", "x.lock", "/a", "a/", "."]
)
def test_a_hostile_ref_is_refused(kind: Kind, ref: str, bundle: BundleRepository, root: Path) -> None:
    with pytest.raises(SourceError, match="is not a valid branch"):
        source_of(bundle, root, kind).fetch(ref)
    with pytest.raises(SourceError, match="is not a valid branch"):
        source_of(bundle, root, kind, branch=ref)


def test_fetch_answers_the_commit_of_a_branch_a_tag_or_a_commit_id(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    first = bundle.head()
    bundle.git("tag", "-a", "v1", "-m", "version 1")
    bundle.git("branch", "feature/x")
    second = bundle.commit({"manifest.py": "two\n"})
    source = source_of(bundle, root, kind)
    assert source.fetch() == second
    assert source.fetch("v1") == source.fetch("feature/x") == source.fetch("refs/tags/v1") == first
    assert source.fetch(first) == source.fetch(first.upper()) == source.fetch(first[:10]) == first


def test_a_file_url_and_a_bare_repository_work_too(
    kind: Kind, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    git("clone", "--quiet", "--bare", str(bundle.path), str(tmp_path / "a b.git"), cwd=tmp_path)
    source = kind(f"file://{tmp_path}/a%20b.git", root=root)
    assert source.fetch() == bundle.head()


def test_an_existing_checkout_is_answered_as_it_is(bundle: BundleRepository, root: Path) -> None:
    source = source_of(bundle, root)
    folder = source.checkout(source.fetch())
    before = folder.stat().st_ino
    shutil.rmtree(root / "mirror.git")
    shutil.rmtree(bundle.path)
    assert source.checkout(folder.name).stat().st_ino == before


def test_a_pruned_revision_is_checked_out_again_without_fetch(bundle: BundleRepository, root: Path) -> None:
    sha = bundle.head()
    assert (source_of(bundle, root).checkout(sha) / "manifest.py").read_text() == "one\n"
    shutil.rmtree(root / "revisions" / sha)
    shutil.rmtree(bundle.path)
    source = source_of(bundle, root)
    assert source.fetch(sha) == sha
    assert (source.checkout(sha) / "manifest.py").read_text() == "one\n"


def test_metadata_says_what_a_commit_is_about(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    source = source_of(bundle, root, kind)
    assert source.metadata("a" * 40) is None
    source.checkout(sha := source.fetch())
    assert source.metadata(sha) == {
        "subject": "the first",
        "author": "Ada",
        "authored_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    assert source.metadata("a" * 40) is None


def test_a_force_push_is_followed_and_the_old_revision_stays(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    old = bundle.commit({"manifest.py": "two\n"})
    source = source_of(bundle, root, kind)
    source.checkout(source.fetch())
    bundle.git("reset", "--quiet", "--hard", "HEAD~1")
    new = bundle.commit({"manifest.py": "three\n"})
    assert source.fetch() == new
    assert (source.checkout(new) / "manifest.py").read_text() == "three\n"
    assert (source.checkout(old) / "manifest.py").read_text() == "two\n"
    assert source.fetch(old) == old


def test_another_branch_and_a_branch_that_becomes_a_folder_of_branches_work(
    bundle: BundleRepository, root: Path
) -> None:
    bundle.git("branch", "work")
    source_of(bundle, root).fetch("work")
    kept = (root / "mirror.git").stat().st_ino
    bundle.git("branch", "-D", "work")
    bundle.git("checkout", "--quiet", "-b", "work/deep")
    sha = bundle.commit({"manifest.py": "deep\n"})
    assert source_of(bundle, root, branch="work/deep").fetch() == sha
    with pytest.raises(SourceError, match="has no branch, tag or commit 'work'"):
        source_of(bundle, root).fetch("work")
    assert (root / "mirror.git").stat().st_ino == kept


def test_a_commit_that_no_branch_leads_to_is_asked_for_by_its_id(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    sha = bundle.commit({"manifest.py": "pull request\n"})
    bundle.git("update-ref", "refs/pull/1/head", sha)
    bundle.git("reset", "--quiet", "--hard", "HEAD~1")
    bundle.git("config", "uploadpack.allowAnySHA1InWant", "true")
    source = source_of(bundle, root, kind)
    assert source.fetch() != sha
    assert source.fetch(sha) == sha
    assert (source.checkout(sha) / "manifest.py").read_text() == "pull request\n"


def test_a_repository_of_another_user_is_read(
    kind: Kind, bundle: BundleRepository, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        for path in (bundle.path, *bundle.path.rglob("*")):
            os.chown(path, 65534, 65534)
    else:
        script = shutil.which("git")
        wrapper = bundle.path.parent / "bin" / "git"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {script} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    source = source_of(bundle, root, kind)
    assert (source.checkout(source.fetch()) / "manifest.py").exists()


def test_an_unknown_branch_names_the_branches_there_are(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    bundle.git("branch", "production")
    with pytest.raises(SourceError) as caught:
        source_of(bundle, root, kind, branch="prodution").fetch()
    assert "its branches are main, production; did you mean 'production'?" in str(caught.value)
    assert (caught.value.fault, caught.value.ref) == (SourceFault.UNKNOWN_REF, "prodution")


def test_an_unknown_commit_is_said_to_be_unknown(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    source = source_of(bundle, root, kind)
    for ask in (source.fetch, source.checkout):
        with pytest.raises(SourceError, match="has no commit 0123") as caught:
            ask("0123456789" * 4)
        assert caught.value.fault is SourceFault.UNKNOWN_REF
    with pytest.raises(SourceError, match="not a full commit id"):
        source.checkout("main")


def test_an_empty_repository_asks_for_a_first_commit(kind: Kind, root: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="push a first commit") as caught:
        source_of(BundleRepository.create(tmp_path / "empty"), root, kind).fetch()
    assert caught.value.fault is SourceFault.EMPTY


def test_a_path_without_a_repository_says_so(kind: Kind, root: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="git init") as caught:
        kind(str(tmp_path / "nowhere"), root=root).fetch()
    assert caught.value.fault is SourceFault.NOT_A_REPOSITORY
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="no git repository at that address") as caught:
        kind(str(tmp_path / "plain"), root=root).fetch()
    assert caught.value.fault is SourceFault.NOT_A_REPOSITORY


def test_a_host_that_refuses_is_named(kind: Kind, root: Path, tmp_path: Path) -> None:
    with serve_http(tmp_path) as gone:
        url = gone.url
    with pytest.raises(SourceError, match=r"127\.0\.0\.1, port .* cannot be reached") as caught:
        kind(f"{url}/bundle", root=root).fetch()
    assert caught.value.fault is SourceFault.UNREACHABLE


def test_a_folder_that_cannot_be_written_is_named(
    kind: Kind, bundle: BundleRepository, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="make the folder writable for this user") as caught:
        source_of(bundle, tmp_path / "file" / "state", kind).checkout(bundle.head())
    assert caught.value.fault is SourceFault.STORAGE
