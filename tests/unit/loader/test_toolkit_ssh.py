"""Commands on another machine: a real ssh server, host keys verified, through a bastion too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sauron_jobs_loader.toolkit.ssh import SSHResult, run_ssh_command, test_ssh_connection

SERVER = """
    import asyncio, sys
    import asyncssh

    async def run(process):
        pipe = asyncio.subprocess.PIPE
        shell = await asyncio.create_subprocess_shell(process.command, stdout=pipe, stderr=pipe)
        out, err = await shell.communicate()
        process.stdout.write(out.decode())
        process.stderr.write(err.decode())
        process.exit(shell.returncode)

    class Server(asyncssh.SSHServer):
        def connection_requested(self, *where):
            return True

    async def main(folder):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder + "/id")
        key.write_public_key(folder + "/id.pub")
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=[host_key],
            authorized_client_keys=folder + "/id.pub", process_factory=run,
        )
        print(listener.get_port(), host_key.export_public_key().decode().strip(), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(main(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Server:
    """An ssh server on loopback that runs what it is asked in a shell."""

    port: int
    key: Path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    command = [sys.executable, "-c", dedent(SERVER), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port, _, host_key = process.stdout.readline().strip().partition(" ")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", f"[127.0.0.1]:{port} {host_key}")
        monkeypatch.delenv("SAURON_SSH_KEY_PATH", raising=False)
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        yield Server(int(port), tmp_path / "id")
        process.kill()


def run(server: Server, command: str, **how: Any) -> SSHResult:
    return run_ssh_command(
        "127.0.0.1", command, **{"user": "job", "port": server.port, "key_path": str(server.key), "timeout": 10, **how}
    )


def test_a_command_answers_its_output_and_exit_code(server: Server) -> None:
    assert run(server, "echo out; echo err >&2; exit 3") == SSHResult(success=False, stdout="out\n", stderr="err\n", returncode=3)
    assert run(server, "true").success
    assert len(run(server, "head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000


def test_a_bastion_is_passed_through(server: Server) -> None:
    assert run(server, "echo there", bastion_host=f"job@127.0.0.1:{server.port}").stdout == "there\n"


def test_a_command_that_does_not_end_is_a_failure_at_its_timeout(server: Server) -> None:
    result = run(server, "sleep 3", timeout=1)
    assert (result.success, result.returncode) == (False, -1)
    assert "no end within 1 s" in result.stderr


def test_an_unknown_host_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAURON_SSH_KNOWN_HOSTS", "")
    result = run(server, "true")
    assert result.returncode == -1
    assert "not found in known_hosts" in result.stderr


def test_a_port_that_nobody_listens_on_is_a_failure_with_the_reason() -> None:
    result = run_ssh_command("127.0.0.1", "true", user="job", port=9, timeout=5)
    assert (result.success, result.returncode) == (False, -1)
    assert "127.0.0.1:9" in result.stderr
    assert not test_ssh_connection("127.0.0.1", user="job", port=9, timeout=5)
