"""Commands by ssh through a bastion, both of them OpenSSH's own server."""

from __future__ import annotations

import base64
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sauron_jobs_loader.toolkit.ssh import run_ssh_command
from tests.e2e.outside import wait_for

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh-keygen") is None, reason="there is no sshd here"
)
USER = getpass.getuser()


@dataclass(frozen=True)
class Sshd:
    """A running sshd, its line for known_hosts and where its log is."""

    port: int
    known_hosts: str
    log: Path


def keygen(file: Path, kind: str, *options: str) -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(file), *options], check=True
    )
    return file


@contextlib.contextmanager
def sshd(folder: Path, authorized: Path) -> Iterator[Sshd]:
    folder.mkdir()
    host_key = keygen(folder / "host", "ed25519")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\n"
        f"AuthorizedKeysFile {authorized}\nPidFile none\n"
        "StrictModes no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        "AllowTcpForwarding yes\nLogLevel VERBOSE\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it refuses to start without
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(SSHD), "-D", "-e", "-f", str(folder / "config")], stdin=subprocess.DEVNULL, stderr=said
        )
    try:
        wait_for(
            lambda: process.poll() is not None or b"Server listening" in log.read_bytes(), what="sshd listens"
        )
        assert process.poll() is None, log.read_text()
        kind, key = host_key.with_suffix(".pub").read_text().split()[:2]
        yield Sshd(port, f"[127.0.0.1]:{port} {kind} {key}", log)
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    ("kind", "options"), [("ed25519", ()), ("rsa", ("-m", "PEM")), ("ecdsa", ("-m", "PKCS8"))]
)
def test_a_command_runs_behind_a_bastion_with_hosts_known_by_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: tuple[str, ...]
) -> None:
    key = keygen(tmp_path / "id", kind, *options)
    known_hosts = tmp_path / "known_hosts"
    with (
        sshd(tmp_path / "bastion", key.with_suffix(".pub")) as bastion,
        sshd(tmp_path / "target", key.with_suffix(".pub")) as target,
    ):
        known_hosts.write_text(f"{bastion.known_hosts}\n{target.known_hosts}\n")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known_hosts)], check=True, capture_output=True)
        assert known_hosts.read_text().startswith("|1|")
        monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", str(known_hosts))
        monkeypatch.setenv("SSH_PRIVATE_KEY_B64", base64.b64encode(key.read_bytes()).decode())
        through = f"{USER}@127.0.0.1:{bastion.port}"
        told = run_ssh_command(
            "127.0.0.1", "echo $SSH_CONNECTION; exit 4", user=USER, port=target.port, bastion_host=through
        )
        assert told.returncode == 4, told.stderr
        assert told.stdout.split()[3] == str(target.port)
        assert "Accepted publickey" in bastion.log.read_text()
        long = run_ssh_command(
            "127.0.0.1", "echo begun; sleep 30", user=USER, port=target.port, bastion_host=through, timeout=3
        )
        assert (long.returncode, long.stdout) == (-1, "begun\n")
        left = run_ssh_command("127.0.0.1", "sleep 20 & echo left", user=USER, port=target.port, timeout=15)
        assert (left.returncode, left.stdout) == (0, "left\n"), left.stderr
        killed = run_ssh_command("127.0.0.1", "kill -9 $$", user=USER, port=target.port)
        assert killed.returncode == -1
        assert "ended by a signal" in killed.stderr


def test_a_key_that_is_not_authorized_and_a_host_that_is_not_known_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = keygen(tmp_path / "id", "ed25519"), keygen(tmp_path / "other", "ed25519")
    with sshd(tmp_path / "target", key.with_suffix(".pub")) as target:
        monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", target.known_hosts)
        refused = run_ssh_command("127.0.0.1", "true", user=USER, port=target.port, key_path=str(other))
        assert "does not accept the key ssh-ed25519 SHA256:" in refused.stderr
        monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", "")
        monkeypatch.setenv("HOME", str(tmp_path))
        unknown = run_ssh_command("127.0.0.1", "true", user=USER, port=target.port, key_path=str(key))
        assert unknown.stderr.endswith(target.known_hosts)
