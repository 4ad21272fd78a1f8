"""The commits between two revisions, as the author's own git lists them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.history import MOST
from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from tests.git_servers import BundleRepository

pytestmark = pytest.mark.process

Source = GitSource | DulwichSource


@pytest.fixture
def bundle(tmp_path: Path) -> BundleRepository:
    made = BundleRepository.create(tmp_path / "bundle")
    made.commit({"manifest.py": ""}, "the first")
    return made


def source(bundle: BundleRepository, tmp_path: Path, kind: Callable[..., Source] = GitSource) -> Source:
    return kind(str(bundle.path), root=tmp_path / "state")


def test_the_commits_between_two_revisions_are_told_with_author_and_time(
    bundle: BundleRepository, tmp_path: Path
) -> None:
    base = bundle.head()
    bundle.commit({"a": "1"}, "one\n\nand its body")
    newest = bundle.commit({"a": "2"}, "two \x1f | `x` é")
    found, undone = (git := source(bundle, tmp_path)).commits(base, git.fetch())
    assert [one["subject"] for one in found] == ["two \x1f | `x` é", "one"]
    assert found[0]["sha"] == newest
    assert {one["author"] for one in found} == {bundle.git("log", "-1", "--format=%an")}
    assert found[0]["authored_at"] == datetime.fromisoformat(bundle.git("log", "-1", "--format=%aI"))
    assert undone == []


def test_going_back_names_what_is_undone_and_a_fork_both(bundle: BundleRepository, tmp_path: Path) -> None:
    first = bundle.head()
    main = bundle.commit({"a": "1"}, "on main")
    bundle.git("checkout", "--quiet", "-b", "other", first)
    other = bundle.commit({"b": "1"}, "on the other")
    git = source(bundle, tmp_path)
    git.fetch()

    def subjects(base: str | None, sha: str) -> list[list[str]]:
        return [[one["subject"] for one in part] for part in git.commits(base, sha)]

    assert subjects(main, first) == [[], ["on main"]]
    assert subjects(main, other) == [["on the other"], ["on main"]]
    assert subjects(main, main) == [[], []]
    assert subjects(None, main) == [["on main"], []]
    assert subjects("d" * 40, main) == [["on main"], []]  # rewritten away since


def test_of_many_commits_the_newest_are_told(bundle: BundleRepository, tmp_path: Path) -> None:
    base = bundle.head()
    who = "committer Ada <ada@example.org> 1767225600 +0000\n"
    many = [f"commit refs/heads/main\n{who}data <<E\nnumber {number}\nE\n" for number in range(MOST + 5)]
    many[0] += f"from {base}\n"
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=bundle.path, input="".join(many).encode(), check=True
    )
    git = source(bundle, tmp_path)
    found, _ = git.commits(base, git.fetch())
    assert len(found) == MOST
    assert found[0]["subject"] == f"number {MOST + 4}"


def test_without_history_the_newest_commit_is_told_alone(bundle: BundleRepository, tmp_path: Path) -> None:
    base = bundle.head()
    bundle.commit({"a": "1"}, "one")
    sha = bundle.commit({"a": "2"}, "two")
    git = source(bundle, tmp_path, DulwichSource)
    git.checkout(git.fetch())
    found, undone = git.commits(base, sha)
    assert [(one["sha"], one["subject"]) for one in found] == [(sha, "two")]
    assert undone == git.commits(sha, sha)[0] == []


@pytest.mark.parametrize("kind", [GitSource, DulwichSource])
def test_a_commit_that_no_branch_or_tag_leads_to_is_not_listed(
    kind: Callable[..., Source], bundle: BundleRepository, tmp_path: Path
) -> None:
    bundle.git("config", "uploadpack.allowAnySHA1InWant", "true")
    lost = bundle.commit({"a": "1"}, "to be taken back")
    bundle.git("reset", "--quiet", "--hard", "HEAD~1")
    git = source(bundle, tmp_path, kind)
    assert git.fetch(bundle.head(), listed=True) == bundle.head()
    with pytest.raises(SourceError) as caught:
        git.fetch(lost, listed=True)
    assert caught.value.fault is SourceFault.UNKNOWN_REF
    assert git.fetch(lost) == lost
