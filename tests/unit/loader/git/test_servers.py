"""A bundle is read from real https and ssh servers; tokens and keys reach nobody else."""

from __future__ import annotations

import base64
import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.source import GitSource
from tests.git_servers import (
    BundleRepository,
    GitHttpServer,
    GitSshServer,
    make_certificate,
    serve_http,
    serve_ssh,
    write_diary_git,
)
from tests.unit.loader.git.sources import TOKEN, Kind, files_below

pytestmark = pytest.mark.process


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


@pytest.mark.parametrize("elsewhere", ["http://localhost:{port}", "http://127.0.0.1:{port}"])
def test_a_redirect_to_another_host_or_port_gets_no_request_with_a_token_and_says_what_to_write(
    elsewhere: str, kind: Kind, http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    with serve_http(tmp_path / "served") as thief:
        port = thief.url.rpartition(":")[2]
        http.redirect_to = elsewhere.format(port=port)
        with pytest.raises(SourceError) as caught:
            kind(f"{http.url}/bundle/.git", root=root, token=TOKEN).fetch()
        assert thief.credentials == set()
        assert not thief.seen.is_set()
    assert caught.value.fault is SourceFault.ADDRESS
    assert f"set JOBS_GIT_REPO_URL to {http.redirect_to}/bundle/.git" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_redirect_that_comes_later_gets_no_token_either(
    kind: Kind, http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    source = kind(f"{http.url}/bundle/.git", root=root, token=TOKEN)
    source.fetch()
    bundle.commit({"manifest.py": "two\n"})
    with serve_http(tmp_path / "served") as thief:
        http.redirect_to = thief.url
        with pytest.raises(SourceError, match="moved to"):
            source.fetch()
        assert not thief.seen.is_set()


def test_a_renamed_repository_of_the_same_host_is_fetched_with_the_token(
    kind: Kind, http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    http.renamed = {"/before/": "/bundle/"}
    source = kind(f"{http.url}/before/.git", root=root, token=TOKEN)
    assert (source.checkout(source.fetch()) / "manifest.py").read_text() == "one\n"
    sha = bundle.commit({"manifest.py": "two\n"})
    assert source.fetch() == sha


def test_a_redirect_without_end_is_given_up(kind: Kind, http: GitHttpServer, root: Path) -> None:
    http.redirect_to = http.url
    with pytest.raises(SourceError, match="redirected more than 5 times") as caught:
        kind(f"{http.url}/bundle/.git", root=root, token=TOKEN).fetch()
    assert caught.value.fault is SourceFault.ADDRESS


def test_without_a_token_a_redirect_to_another_port_is_followed(
    kind: Kind, http: GitHttpServer, bundle: BundleRepository, root: Path, tmp_path: Path
) -> None:
    with serve_http(tmp_path / "served") as moved:
        http.redirect_to = moved.url
        assert kind(f"{http.url}/bundle/.git", root=root).fetch() == bundle.head()
        assert moved.credentials == {None}


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
    with pytest.raises(SourceError, match=r"the ssh key .*absent does not exist"):
        ssh_source(ssh, bundle, root, ssh_key_file=tmp_path / "absent").fetch()
    with pytest.raises(SourceError, match=f"the ssh key {tmp_path} is not a file; put it there"):
        ssh_source(ssh, bundle, root, ssh_key_file=tmp_path).fetch()
