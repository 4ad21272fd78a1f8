"""`zerg.shared.ssh`: results that are unpacked, and the user and the arguments that older calls leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.compat.zerg.shared import ssh
from sauron_jobs_loader.compat.zerg.shared.ssh import SSHResult, run_ssh_command, test_ssh_connection
from sauron_jobs_loader.toolkit import ssh as toolkit
from tests.ssh_servers import serve_shell


def test_a_result_is_unpacked_indexed_and_compared_as_a_tuple() -> None:
    result = SSHResult(True, "out", "err", 0)
    ok, out, err, code = result
    assert (ok, out, err, code) == (result.success, result.stdout, result.stderr, result.returncode)
    assert (result[0], result[-1], result[1:3]) == (True, 0, ("out", "err"))
    assert result == (True, "out", "err", 0)
    assert result._replace(returncode=1).returncode == 1
    assert result._asdict() == {"success": True, "stdout": "out", "stderr": "err", "returncode": 0}
    assert SSHResult is toolkit.SSHResult


def test_a_refused_connection_is_unpacked_too() -> None:
    ok, out, err, code = run_ssh_command("127.0.0.1", "true", port=1)
    assert (ok, out, code) == (False, "", -1)
    assert "127.0.0.1:1" in err


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SAURON_SSH_KEY_PATH", "SAURON_SSH_KNOWN_HOSTS", "SSH_PRIVATE_KEY_B64", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.process
def test_without_a_user_the_older_names_sign_in_as_root_and_the_newer_as_this_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_shell(tmp_path / "server") as server, serve_shell(tmp_path / "other") as other:
        monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", server.known_hosts)
        monkeypatch.setenv("LOGNAME", "runner")
        port = server.port
        signed_in = run_ssh_command("127.0.0.1", "echo in", port=port, key_path=server.key)
        assert signed_in == (True, "in\n", "", 0)
        refused = run_ssh_command("127.0.0.1", "true", port=port, key_path=other.key)
        assert "for user root" in refused.stderr
        assert "for user deploy" in (
            run_ssh_command("127.0.0.1", "true", port=port, user="deploy", key_path=other.key).stderr
        )
        newer = toolkit.run_ssh_command("127.0.0.1", "true", port=port, key_path=str(other.key))
        assert "for user runner" in newer.stderr
        assert test_ssh_connection("127.0.0.1", "root", port, 20, server.key) is True
        assert test_ssh_connection("127.0.0.1", port=port, key_path=other.key) is False


def test_the_older_constants_are_there() -> None:
    assert ssh.DEFAULT_TIMEOUT == 30
    assert ssh.SSH_KEY_PATH.name == "id_rsa"
