"""git runs in its own environment, and ends at its deadline and with the process that asked for it."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.source import GitSource
from tests.git_servers import BundleRepository, GitHttpServer
from tests.unit.loader.git.sources import TOKEN, Kind, processes_with, source_of, start_sync, until

pytestmark = pytest.mark.process


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


def test_a_missing_git_says_what_to_install(
    bundle: BundleRepository, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed") as caught:
        source_of(bundle, root).fetch()
    assert caught.value.fault is SourceFault.TOOL


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


def test_killing_the_process_during_a_fetch_ends_git_and_frees_the_lock(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    http.token = None
    http.stalls = True
    url = f"{http.url}/bundle/.git"
    with start_sync(url, root) as syncing:
        assert http.seen.wait(60)
        assert processes_with("fetch")
        syncing.kill()
        syncing.wait()
        until(lambda: not processes_with(url), "git ends with the process that asked for it")
    http.stalls = False
    source = GitSource(url, root=root)
    assert source.fetch() == bundle.head()
    assert sorted(entry.name for entry in root.iterdir()) == ["mirror.git", "mirror.lock"]
