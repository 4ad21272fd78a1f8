"""Commands on another machine: a real ssh server, host keys verified, through a bastion too."""

from __future__ import annotations

import base64
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sauron_jobs_loader.toolkit.ssh import SSHResult, run_ssh_command, test_ssh_connection
from tests.ssh_servers import ShellServer, serve_shell

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SAURON_SSH_KEY_PATH", "SAURON_SSH_KNOWN_HOSTS", "SSH_PRIVATE_KEY_B64", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShellServer]:
    with serve_shell(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(started: ShellServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShellServer:
    """The server of this module, with a key that the test may change."""
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", started.known_hosts)
    return replace(started, key=Path(shutil.copy(started.key, tmp_path / "id")))


def run(server: ShellServer, command: str, **how: Any) -> SSHResult:
    return run_ssh_command(
        "127.0.0.1",
        command,
        **{"user": "job", "port": server.port, "key_path": str(server.key), "timeout": 20, **how},
    )


def test_a_command_answers_its_output_and_exit_code(server: ShellServer) -> None:
    assert run(server, "echo out; echo err >&2; exit 3") == SSHResult(
        success=False, stdout="out\n", stderr="err\n", returncode=3
    )
    assert run(server, "true").success
    assert len(run(server, "head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000


def test_of_too_much_output_the_beginning_and_the_end_are_kept(server: ShellServer) -> None:
    told = run(server, "echo begin; head -c 100000 /dev/zero | tr '\\0' x; echo end", keep_bytes=1000)
    assert told.stdout.startswith("begin\nxxx")
    assert told.stdout.endswith("xxxend\n")
    assert "[... 99010 bytes left out ...]" in told.stdout
    assert len(told.stdout) < 1100


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
@pytest.mark.parametrize("host_kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp384"])
def test_every_kind_of_key_opens_every_kind_of_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, host_kind: str
) -> None:
    with serve_shell(tmp_path, kind=kind, host_kind=host_kind) as server:
        monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", server.known_hosts)
        monkeypatch.setenv("SSH_PRIVATE_KEY_B64", server.key_b64)
        told = run(server, "echo in", key_path=None)
    assert told.stdout == "in\n", told.stderr


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem", "pkcs1-pem"])
@pytest.mark.parametrize("kind", ["ssh-rsa", "ecdsa-sha2-nistp256"])
def test_every_form_of_a_key_is_read(server: ShellServer, kind: str, form: str) -> None:
    import asyncssh

    key = asyncssh.generate_private_key(kind)
    server.key.with_name("other").write_bytes(key.export_private_key(form))
    told = run(server, "true", key_path=str(server.key.with_name("other")))
    fingerprint = key.convert_to_public().get_fingerprint()
    assert f"does not accept the key {key.algorithm.decode()} {fingerprint} for user job" in told.stderr


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_a_key_with_a_passphrase_is_said_to_be_one(server: ShellServer, form: str) -> None:
    import asyncssh

    server.key.write_bytes(
        asyncssh.generate_private_key("ssh-ed25519").export_private_key(form, passphrase="typed by hand")
    )
    assert "is protected by a passphrase" in run(server, "true").stderr


def test_what_is_no_key_is_said_and_not_shown(server: ShellServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, words in (
        ("not base64 %%", "base64 -w0"),
        (base64.b64encode(b"top secret").decode(), "is not a valid private key"),
        ("", "there is no private key"),
    ):
        monkeypatch.setenv("SSH_PRIVATE_KEY_B64", value)
        told = run(server, "true", key_path=None)
        assert words in told.stderr
        assert "secret" not in told.stderr
    assert "cannot be read" in run(server, "true", key_path="/no/such/key").stderr


def test_a_bastion_is_passed_through(server: ShellServer) -> None:
    assert run(server, "echo there", bastion_host=f"job@127.0.0.1:{server.port}").stdout == "there\n"
    assert server.said() == f"through 127.0.0.1 {server.port}"


def test_the_host_key_of_a_bastion_is_verified_as_well(server: ShellServer, tmp_path: Path) -> None:
    with serve_shell(tmp_path / "bastion") as bastion:
        told = run(server, "true", bastion_host=f"job@127.0.0.1:{bastion.port}")
    assert told.returncode == -1
    assert told.stderr.endswith(bastion.known_hosts)


def test_a_bastion_that_is_none_is_refused_before_anything_is_opened(server: ShellServer) -> None:
    for text in ("job@", "job@host:0", "job@host:port", "job@[::1]22"):
        assert "is not a valid machine: write user@host" in run(server, "true", bastion_host=text).stderr


def test_an_ipv6_address_stands_in_brackets() -> None:
    told = run_ssh_command("::1", "true", user="job", port=9, timeout=5)
    assert told.stderr.startswith("ssh to [::1]:9: ")


def test_a_command_that_does_not_end_is_a_failure_at_its_timeout_with_what_it_said(
    server: ShellServer,
) -> None:
    began = time.monotonic()
    told = run(server, "echo begun; sleep 60", timeout=2)
    assert (told.success, told.returncode, told.stdout) == (False, -1, "begun\n")
    assert "did not end within 2 s" in told.stderr
    assert time.monotonic() - began < 15


def test_a_server_that_says_nothing_is_a_failure_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = run_ssh_command("127.0.0.1", "true", user="job", port=silent.getsockname()[1], timeout=0.5)
    assert told.returncode == -1
    assert "did not end within 0.5 s" in told.stderr


def test_a_command_without_an_exit_code_is_a_failure(server: ShellServer) -> None:
    assert run(server, "vanish").returncode == -1


def test_an_unknown_host_is_refused_with_the_line_to_add(
    server: ShellServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", "")
    told = run(server, "true")
    assert told.returncode == -1
    assert "Verify the key, then add this line to SAURON_SSH_KNOWN_HOSTS" in told.stderr
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", told.stderr.splitlines()[-1])
    assert run(server, "true").success


def test_known_hosts_may_be_a_file(
    server: ShellServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "known hosts"
    file.write_text(f"# ours\n\nbroken line\n{server.known_hosts} a comment\n")
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", str(file))
    assert run(server, "true").success
    file.write_text("")
    assert f"add this line to {file}" in run(server, "true").stderr
    file.unlink()
    assert "cannot be read" in run(server, "true").stderr


def test_a_changed_host_key_is_a_clear_warning(server: ShellServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", f"[127.0.0.1]:{server.port} {other}")
    assert "has CHANGED" in run(server, "true").stderr


def test_a_host_known_by_another_kind_of_key_is_refused(
    server: ShellServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-rsa").export_public_key().decode()
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", f"[127.0.0.1]:{server.port} {other}")
    told = run(server, "true").stderr
    assert "is of the kind ssh-ed25519" in told
    assert "and only ssh-rsa is known" in told


def test_a_revoked_host_key_is_refused_though_another_line_knows_it(
    server: ShellServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked = f"@revoked * {server.known_hosts.partition(' ')[2]}"
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", f"{server.known_hosts}\n{revoked}")
    assert "marked @revoked" in run(server, "true").stderr


def test_a_port_that_nobody_listens_on_is_a_failure_with_the_reason() -> None:
    told = run_ssh_command("127.0.0.1", "true", user="job", port=9, timeout=5)
    assert (told.success, told.returncode) == (False, -1)
    assert "127.0.0.1:9" in told.stderr
    assert not test_ssh_connection("127.0.0.1", user="job", port=9, timeout=5)
