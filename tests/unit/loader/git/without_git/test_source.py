"""Without a git binary a bundle is read over https as safely, and only its files are on the disk."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.checkouts import Checkouts
from sauron_jobs_loader.git.export import DamagedMirrorError
from sauron_jobs_loader.git.without_git.objects import about, write_files
from sauron_jobs_loader.git.without_git.source import DulwichSource
from tests.git_servers import BundleRepository, GitHttpServer, git, make_certificate, serve_http
from tests.unit.loader.git.sources import PROJECT, TOKEN

pytestmark = pytest.mark.process

WITHOUT_GIT = """
import json, os, shutil, sys
from pathlib import Path
from sauron_jobs_loader.git.without_git.source import DulwichSource
source = DulwichSource(sys.argv[1], root=Path(sys.argv[2]), token=os.environ["TOKEN"])
sha = source.fetch()
folder = source.checkout(sha)
names = sorted(file.name for file in folder.iterdir())
print(json.dumps([shutil.which("git"), sha, names, source.metadata(sha)["subject"]]))
"""


def source_of(http: GitHttpServer, root: Path, timeout: float = 60) -> DulwichSource:
    return DulwichSource(
        f"{http.url}/bundle/.git", root=root, token=TOKEN, timeout=timedelta(seconds=timeout)
    )


def content_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_no_program_is_needed_on_the_path(
    http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GIT, f"{http.url}/bundle/.git", str(root)],
        env={"PATH": str(empty), "PYTHONPATH": str(PROJECT), "TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [None, bundle.head(), ["jobs", "manifest.py"], "the first"]


def test_a_checkout_over_http_is_what_a_fresh_clone_has(
    http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    bundle.commit({"bin/tool.sh": "#!/bin/sh\n", "nul": b"\0\xff\r\n", "empty": "", "späße/naïve.txt": "x"})
    (bundle.path / "bin/tool.sh").chmod(0o755)
    bundle.link("jobs/link.py", "../manifest.py")
    sha = bundle.commit({f"data/{number}.txt": f"{number}\n" * 40 for number in range(200)})
    folder = source_of(http, root).checkout(sha)
    git("clone", "--quiet", str(bundle.path), str(tmp_path / "clone"), cwd=tmp_path)
    git(
        "-C", str(tmp_path / "clone"), "--work-tree", str(folder), "diff", "--exit-code", "HEAD", cwd=tmp_path
    )
    assert os.access(folder / "bin/tool.sh", os.X_OK)
    assert (folder / "jobs/link.py").is_symlink()
    assert (folder / "späße/naïve.txt").read_text() == "x"


def test_an_unchanged_branch_costs_two_requests_and_no_byte(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    source = source_of(http, root)
    source.checkout(source.fetch())
    before = content_below(root)
    http.answered.clear()
    assert source.fetch() == bundle.head()
    assert http.answered == [200, 200]
    http.answered.clear()
    assert source.checkout(bundle.head()).name == source.fetch(bundle.head())
    assert http.answered == []
    assert content_below(root) == before


def test_only_the_files_of_checked_out_commits_are_kept(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    old = bundle.commit({"big": os.urandom(300_000)})
    (bundle.path / "big").unlink()
    source = source_of(http, root)
    new = bundle.commit({"manifest.py": "two\n"})
    source.checkout(new)
    assert sum(len(content) for content in content_below(root).values()) < 10_000
    left = {entry.name for entry in root.iterdir()}
    assert left == {".env", "commits", "mirror.lock", "revisions", "snapshots"}
    source.checkout(old)
    Checkouts(root).prune([old])
    newest = bundle.commit({"manifest.py": "three\n"})
    source.checkout(newest)
    assert sorted(entry.name for entry in (root / "commits").iterdir()) == sorted([old, newest])
    assert source.metadata(new) is None
    assert (source.checkout(new) / "manifest.py").read_text() == "two\n"


def test_what_a_killed_checkout_left_goes_with_the_next(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    (root / "revisions" / f"{bundle.head()}.1.tmp" / "tree").mkdir(parents=True)
    (root / "revisions" / f"{bundle.head()}.1.tmp" / "tree" / "half").write_text("left behind")
    source_of(http, root).checkout(bundle.head())
    assert [entry.name for entry in (root / "revisions").iterdir()] == [bundle.head()]


def test_the_token_is_sent_in_a_header_and_kept_nowhere(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    source = source_of(http, root)
    source.checkout(source.fetch())
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert http.credentials == {f"Basic {basic}"}
    for secret in (TOKEN, quote(TOKEN, safe=""), basic):
        assert not [line for line in http.command_lines if secret in line]
        assert not [name for name, content in content_below(root).items() if secret.encode() in content]


def test_a_wrong_token_leaves_what_is_checked_out(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    folder = source_of(http, root).checkout(bundle.head())
    source = DulwichSource(f"{http.url}/bundle/.git", root=root, token="expired")
    with pytest.raises(SourceError, match="does not accept the token"):
        source.fetch()
    assert source.fetch(bundle.head()) == bundle.head()
    assert source.checkout(bundle.head()) == folder


def test_a_commit_that_is_not_given_out_is_said_to_be_unknown(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    with pytest.raises(SourceError, match="has no commit 0123") as caught:
        source_of(http, root).fetch("0123456789" * 4)
    assert caught.value.fault is SourceFault.UNKNOWN_REF
    assert list((root / "revisions").iterdir()) == []


def test_an_abbreviated_id_of_an_older_commit_is_refused(
    http: GitHttpServer, bundle: BundleRepository, root: Path
) -> None:
    old = bundle.head()
    bundle.commit({"manifest.py": "two\n"})
    with pytest.raises(SourceError, match="a commit id is written in full"):
        source_of(http, root).fetch(old[:10])
    source_of(http, root).checkout(old)
    assert source_of(http, root).fetch(old[:10]) == old


@pytest.mark.parametrize("url", ["git@github.com:org/repo.git", "ssh://git@github.com/org/repo.git"])
def test_an_ssh_address_is_refused_with_the_https_one(url: str, root: Path) -> None:
    with pytest.raises(
        SourceError, match=r"write https://github.com/org/repo\.git and set a token as JOBS_GIT_TOKEN"
    ) as caught:
        DulwichSource(url, root=root)
    assert caught.value.fault is SourceFault.ADDRESS


def test_https_is_not_left_for_http(
    bundle: BundleRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)
    certificate, key = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    served = tmp_path / "served"
    with serve_http(served, token=TOKEN, tls=(certificate, key)) as safe, serve_http(served) as plain:
        source = DulwichSource(f"{safe.url}/bundle/.git", root=root, token=TOKEN)
        assert (source.checkout(source.fetch()) / "manifest.py").exists()
        safe.redirect_to = plain.url
        with pytest.raises(SourceError, match="not https") as caught:
            source.fetch()
        assert caught.value.fault is SourceFault.ADDRESS
        assert not plain.seen.is_set()


def test_a_stalled_server_is_given_up_at_the_limit(http: GitHttpServer, root: Path) -> None:
    http.stalls = True
    started = time.monotonic()
    with pytest.raises(SourceError, match="longer than 1 seconds") as caught:
        source_of(http, root, timeout=1).fetch()
    assert time.monotonic() - started < 6
    assert caught.value.fault is SourceFault.TIMED_OUT


@contextmanager
def trickling() -> Iterator[str]:
    """Serve an answer that never ends, a byte at a time."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\nffff"
            )
            while not over.wait(0.05):
                connection.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/bundle"
    finally:
        over.set()
        thread.join()
        listener.close()


def test_a_server_that_trickles_is_given_up_at_the_limit(root: Path) -> None:
    started = time.monotonic()
    with trickling() as url, pytest.raises(SourceError) as caught:
        DulwichSource(url, root=root, timeout=timedelta(seconds=1)).fetch()
    assert time.monotonic() - started < 6
    assert caught.value.fault is SourceFault.TIMED_OUT


# Raw objects


class Objects:
    """Objects as a hostile repository may hold them."""

    def __init__(self) -> None:
        self.held: dict[bytes, tuple[int, bytes]] = {}

    def add(self, kind: int, content: bytes) -> bytes:
        head = b"%s %d\0" % ({1: b"commit", 2: b"tree", 3: b"blob"}[kind], len(content))
        name = hashlib.sha1(head + content, usedforsecurity=False).hexdigest().encode()
        self.held[name] = (kind, content)
        return name

    def tree(self, *entries: tuple[bytes, bytes, bytes]) -> bytes:
        return self.add(
            2,
            b"".join(b"%s %s\0" % (mode, name) + bytes.fromhex(sha.decode()) for mode, name, sha in entries),
        )

    def commit(self, tree: bytes) -> str:
        return self.add(1, b"tree %s\nauthor A <a@b> 1 +0000\n\nx\n" % tree).decode()

    def read(self, name: bytes) -> tuple[int, bytes]:
        return self.held[name]


def with_a_link_and_a_folder(objects: Objects, outside: Path) -> bytes:
    inner = objects.tree((b"100644", b"owned", objects.add(3, b"x")))
    return objects.tree((b"120000", b"a", objects.add(3, os.fsencode(outside))), (b"40000", b"a", inner))


def with_a_link_and_a_file(objects: Objects, outside: Path) -> bytes:
    link = objects.add(3, os.fsencode(outside / "owned"))
    return objects.tree((b"120000", b"a", link), (b"100644", b"a", objects.add(3, b"x")))


def with_a_way_up(objects: Objects, outside: Path) -> bytes:
    return objects.tree((b"40000", b"..", objects.tree((b"100644", b"owned", objects.add(3, b"x")))))


def with_a_slash(objects: Objects, outside: Path) -> bytes:
    return objects.tree((b"100644", b"../outside/owned", objects.add(3, b"x")))


def with_a_git_folder(objects: Objects, outside: Path) -> bytes:
    return objects.tree((b"40000", b".GIT", objects.tree((b"100644", b"config", objects.add(3, b"x")))))


@pytest.mark.parametrize(
    "hostile",
    [with_a_link_and_a_folder, with_a_link_and_a_file, with_a_way_up, with_a_slash, with_a_git_folder],
)
def test_a_hostile_tree_is_refused_and_writes_nothing_elsewhere(
    hostile: Callable[[Objects, Path], bytes], tmp_path: Path
) -> None:
    objects, outside, inside = Objects(), tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    sha = objects.commit(hostile(objects, outside))
    with pytest.raises(SourceError, match=f"revision {sha[:12]} holds") as caught:
        write_files(sha, objects.read, inside)
    assert caught.value.fault is SourceFault.UNSAFE_CONTENT
    assert list(outside.iterdir()) == []
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["inside", "outside"]


def test_an_object_that_is_not_what_its_id_says_is_refused(tmp_path: Path) -> None:
    objects = Objects()
    blob = objects.add(3, b"honest")
    sha = objects.commit(objects.tree((b"100644", b"manifest.py", blob)))
    objects.held[blob] = (3, b"forged")
    with pytest.raises(DamagedMirrorError, match="does not match its id"):
        write_files(sha, objects.read, tmp_path)
    del objects.held[blob]
    with pytest.raises(DamagedMirrorError, match="is missing"):
        write_files(sha, objects.read, tmp_path)
    assert about(sha, b"forged") is None


def test_a_commit_in_another_encoding_is_told_in_ours() -> None:
    content = (
        b"tree %s\nauthor J\xfcrg <j@x> 1767323045 -0330\nencoding ISO-8859-1\n\nGr\xfc\xdfe\n\nmore\n"
        % (b"0" * 40)
    )
    sha = hashlib.sha1(b"commit %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    known = about(sha, content)
    assert known is not None
    assert (known["subject"], known["author"]) == ("Grüße", "Jürg")
    assert known["authored_at"].isoformat() == "2026-01-01T23:34:05-03:30"
