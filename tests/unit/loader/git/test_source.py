"""A bundle is fetched and checked out completely or not at all, from real servers, and nothing leaks."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.address import parse_address
from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from tests.git_servers import (
    BundleRepository,
    GitHttpServer,
    GitSshServer,
    command_lines,
    git,
    make_certificate,
    serve_http,
    serve_ssh,
    write_diary_git,
)

Kind = type[GitSource] | type[DulwichSource]
TOKEN = "ghp_s3cret/token+1"
PROJECT = Path(__file__).resolve().parents[4]


@pytest.fixture
def bundle(tmp_path: Path) -> BundleRepository:
    repository = BundleRepository.create(tmp_path / "served" / "bundle")
    repository.commit({"manifest.py": "one\n", "jobs/report.py": "run = 1\n"}, "the first")
    return repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state with space"


@pytest.fixture
def http(tmp_path: Path, bundle: BundleRepository) -> Iterator[GitHttpServer]:
    with serve_http(tmp_path / "served", token=TOKEN) as server:
        yield server


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[GitSshServer]:
    if shutil.which("ssh") is None:
        pytest.skip("needs an ssh client")
    with serve_ssh(tmp_path / "ssh keys 100%d") as server:
        yield server


@pytest.fixture(params=[GitSource, DulwichSource], ids=["git", "dulwich"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """What reads the repository; a promise that takes it is made with and without a git binary."""
    chosen: Kind = request.param
    return chosen


def source_of(
    bundle: BundleRepository, root: Path, kind: Kind = GitSource, branch: str = "main"
) -> GitSource | DulwichSource:
    return kind(str(bundle.path), root=root, branch=branch)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.01)


def processes_with(text: str) -> list[str]:
    return [line for pid, line in command_lines().items() if text in line and pid != os.getpid()]


# Addresses


@pytest.mark.parametrize(
    ("url", "display", "scheme"),
    [
        ("https://github.com/org/repo.git", "https://github.com/org/repo.git", "https"),
        ("https://github.com:8443/org/repo", "https://github.com:8443/org/repo", "https"),
        (" https://github.com/org/repo\n", "https://github.com/org/repo", "https"),
        ("HTTPS://GitHub.com/org/repo", "https://github.com/org/repo", "https"),
        ("http://127.0.0.1:3000/org/repo", "http://127.0.0.1:3000/org/repo", "http"),
        ("http://[::1]:3000/org/repo", "http://[::1]:3000/org/repo", "http"),
        ("ssh://git@github.com/org/repo.git", "ssh://git@github.com/org/repo.git", "ssh"),
        ("ssh://git@host:2222/repo", "ssh://git@host:2222/repo", "ssh"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git", "ssh"),
        ("host:repo.git", "host:repo.git", "ssh"),
        ("file:///srv/a%20b", "/srv/a b", "file"),
        ("/srv/bundle", "/srv/bundle", "file"),
        ("/srv/-odd: name", "/srv/-odd: name", "file"),
    ],
)
def test_an_accepted_address_is_shown_as_git_uses_it(url: str, display: str, scheme: str) -> None:
    address = parse_address(url)
    assert (address.display, address.url, address.scheme) == (display, display, scheme)


def test_a_relative_path_is_taken_from_the_working_folder(tmp_path: Path) -> None:
    assert parse_address("./bundle").url == str(Path.cwd() / "bundle")


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("", "https://host/org/repo.git"),
        ("ext::sh -c touch% /tmp/owned", "https://host/org/repo.git"),
        ("ext::touch", "program for git to run"),
        ("fd::17/foo", "program for git to run"),
        ("--upload-pack=touch /tmp/owned", "option"),
        ("-x", "option"),
        ("git://github.com/org/repo", "git://"),
        ("ftp://host/repo", "ftp://"),
        ("http://github.com/org/repo", "write https://github.com/org/repo"),
        ("http://localhost.evil.test/org/repo", "write https://"),
        ("github.com/org/repo", "write https://github.com/org/repo or git@github.com:org/repo"),
        ("git@github.com/org/repo", "git@github.com:org/repo"),
        ("bundle", "starts with ./"),
        ("~/bundle", "write /"),
        ("https://github.com", "names no repository"),
        ("https:///org/repo", "names no host"),
        ("https://github.com/org/repo?token=abc", "JOBS_GIT_TOKEN"),
        ("https://github.com/org/repo#main", "leave out"),
        ("https://host:port/repo", "is not a URL"),
        ("https://ho st/repo", "space"),
        ("ssh://-oProxyCommand=touch/repo", "host"),
        ("-oProxyCommand=touch:repo", "option"),
        ("ssh://git:pw@host/repo", "password"),
        ("ssh://-x@host/repo", "user name"),
        ("git@host:-repo", "dash"),
        ("file://server/share/repo", "file:///path/to/repo"),
        ("/srv/a\nb", "control"),
    ],
)
def test_any_other_address_is_refused_with_what_to_write(
    kind: Kind, url: str, instead: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        kind(url, root=tmp_path)
    assert instead in str(caught.value)
    assert caught.value.fault is SourceFault.ADDRESS
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [f"https://user:{TOKEN.replace('/', '%2F')}@host/repo", f"https://{TOKEN.replace('/', '%2F')}@host/repo"],
)
def test_a_token_in_the_url_is_moved_out_of_it(url: str) -> None:
    address = parse_address(url)
    assert address.url == address.display == "https://host/repo"
    assert address.token == TOKEN
    assert TOKEN not in repr(address)


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(SourceError) as caught:
        parse_address("ftp://user:hunter2@host/repo")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.url)


def test_a_token_with_a_line_break_is_refused_without_being_shown(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="JOBS_GIT_TOKEN") as caught:
        kind("https://host/repo", root=tmp_path, token="secret\nX-Evil: 1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "ref", ["", "-x", "--output=x", "a..b", "a b", "a:b", "a@{1}", "main^", "x.lock", "/a", "a/", "."]
)
def test_a_hostile_ref_is_refused(kind: Kind, ref: str, bundle: BundleRepository, root: Path) -> None:
    with pytest.raises(SourceError, match="cannot be a branch"):
        source_of(bundle, root, kind).fetch(ref)
    with pytest.raises(SourceError, match="cannot be a branch"):
        source_of(bundle, root, kind, branch=ref)


# What is fetched


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


def test_a_checkout_holds_exactly_the_commit(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    bundle.commit({"bin/tool.sh": "#!/bin/sh\n", "nul": b"\0\xff\r\n"})
    (bundle.path / "bin/tool.sh").chmod(0o755)
    sha = bundle.commit()
    source = source_of(bundle, root, kind)
    folder = source.checkout(source.fetch())
    assert folder == root / "revisions" / sha
    assert files_below(folder) == {
        "manifest.py": b"one\n",
        "jobs/report.py": b"run = 1\n",
        "bin/tool.sh": b"#!/bin/sh\n",
        "nul": b"\0\xff\r\n",
    }
    assert os.access(folder / "bin/tool.sh", os.X_OK)
    assert not os.access(folder / "manifest.py", os.X_OK)
    assert [entry.name for entry in folder.parent.iterdir()] == [sha]


def test_files_marked_export_ignore_are_checked_out(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    sha = bundle.commit({".gitattributes": "jobs export-ignore\n*.py export-subst\n"})
    assert (source_of(bundle, root, kind).checkout(sha) / "jobs" / "report.py").exists()


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
    with pytest.raises(SourceError, match="no branch, tag or commit 'work'"):
        source_of(bundle, root).fetch("work")
    assert (root / "mirror.git").stat().st_ino == kept


def test_a_changed_address_replaces_the_mirror_once_the_new_one_is_complete(
    bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    old = source_of(bundle, root).fetch()
    with pytest.raises(SourceError):
        GitSource(str(tmp_path / "nowhere"), root=root).fetch()
    assert source_of(bundle, root).fetch(old) == old
    other = BundleRepository.create(tmp_path / "other")
    new = other.commit({"manifest.py": "other\n"})
    source = source_of(other, root)
    assert source.fetch() == new
    with pytest.raises(SourceError, match=f"no commit {old}"):
        source.fetch(old)
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.git", "mirror.lock"]


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


def test_hooks_settings_and_git_variables_of_the_user_are_not_used(
    kind: Kind, bundle: BundleRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    hook = home / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {home}/ran\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[core]\n hooksPath = {home}/hooks\n autocrlf = true\n[filter "x"]\n smudge = touch {home}/ran\n'
        f'[url "/nowhere/"]\n insteadOf = {tmp_path}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere/objects")
    sha = bundle.commit({".gitattributes": "* filter=x\n"})
    source = source_of(bundle, root, kind)
    assert source.fetch() == sha
    assert (source.checkout(sha) / "manifest.py").read_bytes() == b"one\n"
    assert not (home / "ran").exists()


# Hostile content


@pytest.mark.parametrize(
    ("links", "named"),
    [
        ({"passwd": "/etc/passwd"}, "passwd"),
        ({"jobs/up": "../../outside"}, "jobs/up"),
        ({"jobs/deep/there": "../..", "detour": "jobs/deep/there/../x"}, "detour"),
        ({"one": "two", "two": ".."}, "one"),
        ({"self": "/proc/self/environ"}, "self"),
    ],
)
def test_a_link_that_leaves_the_tree_refuses_the_revision(
    kind: Kind, links: dict[str, str], named: str, bundle: BundleRepository, root: Path
) -> None:
    for name, target in links.items():
        bundle.link(name, target)
    sha = bundle.commit()
    source = source_of(bundle, root, kind)
    with pytest.raises(SourceError) as caught:
        source.checkout(source.fetch())
    assert repr(named) in str(caught.value)
    assert repr(links[named]) in str(caught.value)
    assert caught.value.fault is SourceFault.UNSAFE_CONTENT
    assert caught.value.ref == sha
    assert list((root / "revisions").iterdir()) == []


def test_links_inside_the_tree_are_kept(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    bundle.link("jobs/manifest.py", "../manifest.py")
    bundle.link("everything", ".")
    bundle.link("dangling", "not-there")
    bundle.link("round", "round")
    folder = source_of(bundle, root, kind).checkout(bundle.commit())
    assert (folder / "jobs/manifest.py").read_text() == "one\n"
    assert (folder / "dangling").is_symlink()


def test_a_submodule_is_neither_fetched_nor_in_the_way(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    (bundle.path / ".gitmodules").write_text('[submodule "x"]\n path = x\n url = ext::touch /nowhere\n')
    bundle.git("update-index", "--add", "--cacheinfo", f"160000,{bundle.head()},x")
    bundle.git("add", ".gitmodules")
    bundle.git("commit", "--quiet", "-m", "with a submodule")
    folder = source_of(bundle, root, kind).checkout(bundle.head())
    assert (folder / "manifest.py").exists()
    assert not (folder / "x").exists() or not list((folder / "x").iterdir())


# Faults of the source


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
        with pytest.raises(SourceError, match="there is no commit 0123") as caught:
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


def test_a_missing_git_says_what_to_install(
    bundle: BundleRepository, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed") as caught:
        source_of(bundle, root).fetch()
    assert caught.value.fault is SourceFault.TOOL


def test_a_folder_that_cannot_be_written_is_named(
    kind: Kind, bundle: BundleRepository, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="make the folder writable") as caught:
        source_of(bundle, tmp_path / "file" / "state", kind).checkout(bundle.head())
    assert caught.value.fault is SourceFault.STORAGE


def test_a_checkout_without_room_is_a_fault_of_the_storage(
    bundle: BundleRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(bundle, root)
    sha = source.fetch()
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        'case "$*" in checkout-index*) echo "error: unable to write file x: No space left on device" >&2; exit 128;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with pytest.raises(SourceError, match="free some space") as caught:
        source.checkout(sha)
    assert caught.value.fault is SourceFault.STORAGE
    assert list((root / "revisions").iterdir()) == []


# http and https


def test_the_token_opens_the_repository_and_is_nowhere_to_be_seen(
    http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = write_diary_git(tmp_path / "diary")
    monkeypatch.setenv("PATH", f"{notes.parent}:{os.environ['PATH']}")
    source = GitSource(f"{http.url}/bundle/.git", root=root, token=TOKEN)
    folder = source.checkout(source.fetch())
    assert (folder / "manifest.py").read_text() == "one\n"
    sha = bundle.commit({"manifest.py": "two\n"})
    assert source.fetch() == sha
    secrets = (TOKEN, quote(TOKEN, safe=""), base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode())
    assert "fetch" in notes.read_text()
    assert any("remote-http" in line for line in http.command_lines)
    for secret in secrets:
        assert secret not in notes.read_text()
        assert not [line for line in http.command_lines if secret in line]
        assert not [name for name, content in files_below(root).items() if secret.encode() in content]


def test_a_token_in_the_url_works_and_is_not_shown(
    kind: Kind, http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    address = f"{http.url}/bundle/.git".replace("://", f"://x-access-token:{TOKEN.replace('/', '%2F')}@")
    source = kind(address, root=root)
    assert source.fetch() == bundle.head()
    assert source.display_url == f"{http.url}/bundle/.git"
    assert not [name for name, content in files_below(root).items() if TOKEN.encode() in content]


@pytest.mark.parametrize(
    ("token", "words"), [(None, "asks for a token"), ("wrong-token", "does not accept the token")]
)
def test_a_missing_or_wrong_token_says_which_and_shows_none(
    kind: Kind, token: str | None, words: str, http: GitHttpServer, root: Path
) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        kind(f"{http.url}/bundle/.git", root=root, token=token).fetch()
    assert caught.value.fault is SourceFault.ACCESS
    assert "JOBS_GIT_TOKEN" in str(caught.value)
    assert "wrong-token" not in str(caught.value)
    assert not (root / "mirror.git").exists()


def test_a_wrong_token_leaves_the_mirror_as_it_was(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    sha = GitSource(f"{http.url}/bundle/.git", root=root, token=TOKEN).fetch()
    source = GitSource(f"{http.url}/bundle/.git", root=root, token="expired")
    with pytest.raises(SourceError, match="does not accept the token"):
        source.fetch()
    assert source.fetch(sha) == sha
    assert (source.checkout(sha) / "manifest.py").exists()


def test_a_web_address_without_a_repository_says_so(kind: Kind, http: GitHttpServer, root: Path) -> None:
    with pytest.raises(SourceError, match="no git repository at that address") as caught:
        kind(f"{http.url}/other", root=root, token=TOKEN).fetch()
    assert caught.value.fault is SourceFault.NOT_A_REPOSITORY


def test_a_redirect_to_another_host_does_not_take_the_token_along(
    kind: Kind, http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    with serve_http(tmp_path / "served", token="any") as thief:
        http.redirect_to = thief.url.replace("127.0.0.1", "localhost")
        with pytest.raises(SourceError) as caught:
            kind(f"{http.url}/bundle/.git", root=root, token=TOKEN).fetch()
        assert thief.seen.is_set()
        assert thief.credentials <= {None}
    assert caught.value.fault is SourceFault.ACCESS


def test_https_is_verified_against_the_ca(
    kind: Kind, bundle: BundleRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    certificate, key = make_certificate(tmp_path)
    with serve_http(tmp_path / "served", token=TOKEN, tls=(certificate, key)) as server:
        source = kind(f"{server.url}/bundle/.git", root=root, token=TOKEN)
        with pytest.raises(SourceError, match="SSL_CERT_FILE") as caught:
            source.fetch()
        assert caught.value.fault is SourceFault.CERTIFICATE
        assert server.credentials == set()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert source.fetch() == bundle.head()


def test_a_stalled_server_is_given_up_at_the_limit_with_nothing_left_running(
    http: GitHttpServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_git = tmp_path / "only-git"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(only_git))
    http.stalls = True
    source = GitSource(f"{http.url}/bundle/.git", root=root, token=TOKEN, timeout=timedelta(seconds=1))
    started = time.monotonic()
    with pytest.raises(SourceError, match="longer than 1 seconds") as caught:
        source.fetch()
    assert time.monotonic() - started < 6
    assert caught.value.fault is SourceFault.TIMED_OUT
    assert http.seen.is_set()
    until(lambda: not processes_with(http.url), "all git processes end")
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.lock"]


# ssh


def ssh_source(
    ssh: GitSshServer,
    bundle: BundleRepository,
    root: Path,
    *,
    ssh_key_file: Path | None = None,
    known_hosts_file: Path | None = None,
) -> GitSource:
    return GitSource(
        ssh.url(bundle.path),
        root=root,
        timeout=timedelta(seconds=20),
        ssh_key_file=ssh_key_file or ssh.client_key,
        known_hosts_file=known_hosts_file or ssh.known_hosts,
    )


def test_ssh_works_with_a_deploy_key_and_a_known_host(
    ssh: GitSshServer, bundle: BundleRepository, root: Path
) -> None:
    source = ssh_source(ssh, bundle, root)
    assert (source.checkout(source.fetch()) / "manifest.py").read_text() == "one\n"


def test_an_unknown_host_key_is_refused_with_the_command_that_adds_it(
    ssh: GitSshServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(SourceError) as caught:
        ssh_source(ssh, bundle, root, known_hosts_file=empty).fetch()
    assert caught.value.fault is SourceFault.HOST_KEY
    assert f"ssh-keyscan -p {ssh.port} 127.0.0.1 >> {empty}" in str(caught.value)
    assert empty.read_text() == ""


def test_a_changed_host_key_is_refused_as_changed(
    ssh: GitSshServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    with serve_ssh(tmp_path / "another") as another:
        line = another.known_hosts.read_text().replace(str(another.port), str(ssh.port))
    forged = tmp_path / "forged"
    forged.write_text(line)
    with pytest.raises(SourceError, match="shows another host key") as caught:
        ssh_source(ssh, bundle, root, known_hosts_file=forged).fetch()
    assert caught.value.fault is SourceFault.HOST_KEY
    assert f"ssh-keygen -R '[127.0.0.1]:{ssh.port}'" in str(caught.value)


def test_a_key_that_the_host_does_not_know_is_said_to_be_refused(
    ssh: GitSshServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    with serve_ssh(tmp_path / "another") as another, pytest.raises(SourceError, match="deploy key") as caught:
        ssh_source(ssh, bundle, root, ssh_key_file=another.client_key).fetch()
    assert caught.value.fault is SourceFault.ACCESS


def test_a_missing_key_file_is_named(
    ssh: GitSshServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"no ssh key at .*absent"):
        ssh_source(ssh, bundle, root, ssh_key_file=tmp_path / "absent").fetch()


# Crashes and company


SYNC = """
import sys
from pathlib import Path
from sauron_jobs_loader.git.without_git.source import DulwichSource
from sauron_jobs_loader.git.source import GitSource
source = {"GitSource": GitSource, "DulwichSource": DulwichSource}[sys.argv[3]](sys.argv[1], root=Path(sys.argv[2]))
print("ready", flush=True)
print(source.checkout(source.fetch()), flush=True)
"""


def start_sync(url: str, root: Path, kind: Kind = GitSource) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SYNC, url, str(root), kind.__name__],
        env={"PYTHONPATH": str(PROJECT), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_killing_the_process_during_a_fetch_ends_git_and_frees_the_lock(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    http.token = None
    http.stalls = True
    url = f"{http.url}/bundle/.git"
    with start_sync(url, root) as syncing:
        assert http.seen.wait(20)
        assert processes_with("fetch")
        syncing.kill()
        syncing.wait()
        until(lambda: not processes_with(url), "git ends with the process that asked for it")
    http.stalls = False
    source = GitSource(url, root=root)
    assert source.fetch() == bundle.head()
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.git", "mirror.lock"]


def test_kills_at_many_moments_leave_what_the_next_sync_completes(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    bundle.commit({f"data/{number}.txt": f"{number}\n" * 50 for number in range(300)})
    expected = 302
    for step in range(12):
        bundle.commit({"manifest.py": f"{step}\n"})
        with start_sync(str(bundle.path), root, kind) as syncing:
            assert syncing.stdout is not None
            syncing.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                syncing.wait(0.02 + 0.03 * step)
            syncing.send_signal(signal.SIGKILL)
        for folder in (root / "revisions").glob("?" * 40):
            assert len(files_below(folder)) == expected
    source = source_of(bundle, root, kind)
    assert len(files_below(source.checkout(source.fetch()))) == expected


def test_lock_files_and_half_packs_of_killed_gits_are_swept_away(
    bundle: BundleRepository, root: Path
) -> None:
    source = source_of(bundle, root)
    source.fetch()
    mirror = root / "mirror.git"
    for name in (
        "packed-refs.lock",
        "config.lock",
        "HEAD.lock",
        "refs/heads/main.lock",
        "objects/pack/tmp_pack_x",
    ):
        (mirror / name).write_text("left behind")
    for name in ("mirror.git.1.tmp", "mirror.git.2.old"):
        (root / name).mkdir()
    kept = mirror.stat().st_ino
    sha = bundle.commit({"manifest.py": "two\n"})
    assert source.fetch() == sha
    assert mirror.stat().st_ino == kept
    assert not list(mirror.rglob("*.lock"))
    assert not list(mirror.rglob("tmp_*"))
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.git", "mirror.lock"]


def without_head(mirror: Path) -> None:
    (mirror / "HEAD").unlink()


def with_a_broken_config(mirror: Path) -> None:
    (mirror / "config").write_text("[broken")


def with_an_empty_ref(mirror: Path) -> None:
    (mirror / "refs/heads/main").write_text("")


def without_refs(mirror: Path) -> None:
    shutil.rmtree(mirror / "refs")


def without_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


def with_emptied_objects(mirror: Path) -> None:
    for file in (mirror / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"")


def as_an_empty_folder(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.mkdir()


def as_a_file(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.write_text("a file")


@pytest.mark.parametrize(
    "damage",
    [
        without_head,
        with_a_broken_config,
        with_an_empty_ref,
        without_refs,
        without_objects,
        with_emptied_objects,
        as_an_empty_folder,
        as_a_file,
    ],
)
def test_a_damaged_mirror_is_replaced(
    damage: Callable[[Path], None], bundle: BundleRepository, root: Path
) -> None:
    source = source_of(bundle, root)
    source.fetch()
    damage(root / "mirror.git")
    sha = bundle.head()
    assert source.fetch() == sha
    assert (source.checkout(sha) / "manifest.py").read_text() == "one\n"
    assert source.fetch() == sha


def test_one_unreadable_file_in_the_mirror_is_fetched_again(bundle: BundleRepository, root: Path) -> None:
    source = source_of(bundle, root)
    sha = source.fetch()
    blob = bundle.git("rev-parse", "HEAD:jobs/report.py")
    (root / "mirror.git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert (source.checkout(sha) / "jobs/report.py").read_text() == "run = 1\n"


def test_two_processes_syncing_at_once_are_harmless(kind: Kind, bundle: BundleRepository, root: Path) -> None:
    bundle.commit({f"data/{number}.txt": f"{number}\n" for number in range(200)})
    for step in range(3):
        sha = bundle.commit({"manifest.py": f"{step}\n"})
        with (
            start_sync(str(bundle.path), root, kind) as one,
            start_sync(str(bundle.path), root, kind) as other,
        ):
            for process in (one, other):
                printed, _ = process.communicate(timeout=60)
                assert process.returncode == 0
                assert printed.split("\n")[1] == str(root / "revisions" / sha)
        assert len(files_below(root / "revisions" / sha)) == 202
    assert all(len(entry.name) == 40 for entry in (root / "revisions").iterdir())


def test_threads_checking_out_one_revision_get_one_complete_folder(
    kind: Kind, bundle: BundleRepository, root: Path
) -> None:
    sha = bundle.commit({f"data/{number}.txt": f"{number}\n" for number in range(100)})
    with ThreadPoolExecutor(6) as pool:
        folders = set(pool.map(lambda _: source_of(bundle, root, kind).checkout(sha), range(6)))
    assert folders == {root / "revisions" / sha}
    assert [entry.name for entry in (root / "revisions").iterdir()] == [sha]
