"""Settings that hold a key or known hosts as text become files that only their owner may read."""

from __future__ import annotations

import base64
from pathlib import Path

from chalicelib.bundle.key_files import KeyFiles
from chalicelib.settings import Settings

LINE = "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="


def key_files(tmp_path: Path, **environ: str) -> KeyFiles:
    return KeyFiles(Settings.read({"JOBS_DIR": str(tmp_path), **environ}))


def test_known_hosts_as_text_are_written_to_a_private_file_that_closing_removes(tmp_path: Path) -> None:
    files = key_files(tmp_path, SAURON_SSH_KNOWN_HOSTS=LINE)
    written = files.known_hosts()
    assert written is not None
    assert written.read_text() == LINE + "\n"
    assert written.stat().st_mode & 0o077 == 0
    files.close()
    assert not written.exists()


def test_a_path_with_a_space_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "known hosts"
    assert key_files(tmp_path, SAURON_SSH_KNOWN_HOSTS=str(path)).known_hosts() == path


def test_a_key_in_base64_is_written_to_a_private_file(tmp_path: Path) -> None:
    key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
    files = key_files(tmp_path, SSH_PRIVATE_KEY_B64=base64.b64encode(key).decode())
    written = files.key()
    assert written is not None
    assert written.read_bytes() == key
    assert written.stat().st_mode & 0o077 == 0
    files.close()


def test_without_settings_there_are_no_files(tmp_path: Path) -> None:
    files = key_files(tmp_path)
    assert files.key() is None
    assert files.known_hosts() is None
    files.close()
