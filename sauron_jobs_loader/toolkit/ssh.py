"""Commands on other machines, by ssh with verified host keys. Nothing raises: a failure is a result with returncode -1.

The key is `key_path`, or SAURON_SSH_KEY_PATH, or SSH_PRIVATE_KEY_B64 (decoded in memory). Host keys are looked up in
SAURON_SSH_KNOWN_HOSTS (a file, or the lines themselves) and in ~/.ssh/known_hosts; an unknown host is refused. Limit: output is
held in memory, at most 8 MiB of each stream is kept.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import paramiko

KEPT = 8 << 20
QUIET_SECONDS = 1.0
"""How long output may still arrive after the exit code; a daemon that was left on the host keeps its stream open for ever."""

DEFAULT_PORT = 22
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class SSHResult:
    """How a command on another machine ended. `returncode` is -1 when it did not run or not to its end; `stderr` says why."""

    success: bool
    stdout: str
    stderr: str
    returncode: int


def run_ssh_command(
    host: str,
    command: str,
    *,
    user: str | None = None,
    port: int = DEFAULT_PORT,
    timeout: float = 30,
    key_path: str | None = None,
    bastion_host: str | None = None,
) -> SSHResult:
    """Run a command line on a host (its shell reads it), through `bastion_host` (`user@host[:port]`) if one is given.

    `timeout` counts seconds for everything: connecting, authenticating and running.
    """
    deadline = time.monotonic() + timeout
    try:
        with _connected(_Machine(host, user, port), bastion_host, key_path, deadline) as client:
            return _run(client, command, deadline)
    except TimeoutError:
        return SSHResult(success=False, stdout="", stderr=f"ssh to {host}:{port}: no end within {timeout:g} s", returncode=-1)
    except Exception as error:  # noqa: BLE001 - a library, a network and another machine: whatever it is, it is a result
        reason = str(error) or type(error).__name__
        return SSHResult(success=False, stdout="", stderr=f"ssh to {host}:{port}: {reason}", returncode=-1)


def test_ssh_connection(host: str, **how: object) -> bool:
    """Answer whether a command can be run on the host; takes what `run_ssh_command` takes."""
    return run_ssh_command(host, "true", **how).success  # type: ignore[arg-type]


test_ssh_connection.__test__ = False  # type: ignore[attr-defined] # pytest: its name is older than this suite


@dataclass(frozen=True, slots=True)
class _Machine:
    host: str
    user: str | None
    port: int


@contextlib.contextmanager
def _connected(
    machine: _Machine, bastion_host: str | None, key_path: str | None, deadline: float
) -> Iterator[paramiko.SSHClient]:
    with contextlib.ExitStack() as stack:
        sock = None
        if bastion_host:
            bastion = stack.enter_context(_client())
            _connect(bastion, _parsed(bastion_host, machine.user), key_path, deadline)
            transport = bastion.get_transport()
            if transport is None:
                raise ConnectionError(f"bastion {bastion_host} closed the connection")
            sock = transport.open_channel("direct-tcpip", (machine.host, machine.port), ("127.0.0.1", 0), timeout=_left(deadline))
        client = stack.enter_context(_client())
        _connect(client, machine, key_path, deadline, sock)
        yield client


def _client() -> paramiko.SSHClient:
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    with contextlib.suppress(FileNotFoundError):
        client.load_system_host_keys(str(Path("~/.ssh/known_hosts").expanduser()))
    if known := os.environ.get("SAURON_SSH_KNOWN_HOSTS"):
        if " " in known:
            for line in known.splitlines():
                entry = paramiko.hostkeys.HostKeyEntry.from_line(line)
                if entry and entry.hostnames and entry.key:
                    for name in entry.hostnames:
                        client.get_host_keys().add(name, entry.key.get_name(), entry.key)
        else:
            client.load_host_keys(known)
    return client


def _connect(
    client: paramiko.SSHClient,
    machine: _Machine,
    key_path: str | None,
    deadline: float,
    sock: paramiko.Channel | None = None,
) -> None:
    left = _left(deadline)
    key_file = key_path or os.environ.get("SAURON_SSH_KEY_PATH") or None
    client.connect(
        machine.host,
        port=machine.port,
        username=machine.user,
        pkey=None if key_file else _key_in_memory(),
        key_filename=key_file,
        sock=sock,
        timeout=left,
        banner_timeout=left,
        auth_timeout=left,
    )


def _key_in_memory() -> paramiko.PKey | None:
    encoded = os.environ.get("SSH_PRIVATE_KEY_B64")
    if not encoded:
        return None
    import paramiko

    text = base64.b64decode(encoded).decode()
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(text))
    raise ValueError("SSH_PRIVATE_KEY_B64 holds no private key: write the output of `base64 -w0 <key file>`")


def _run(client: paramiko.SSHClient, command: str, deadline: float) -> SSHResult:
    transport = client.get_transport()
    if transport is None:
        raise ConnectionError("the connection was closed")
    channel = transport.open_session(timeout=_left(deadline))
    channel.exec_command(command)
    channel.shutdown_write()
    kept = {"out": bytearray(), "err": bytearray()}
    moved_at = time.monotonic()
    while True:
        done, all_sent = channel.exit_status_ready(), channel.eof_received or channel.closed
        if _take(channel, kept):
            moved_at = time.monotonic()
        elif done and (all_sent or time.monotonic() - moved_at > QUIET_SECONDS):
            break
        else:
            _left(deadline)
            time.sleep(_PAUSE_SECONDS)
    code = channel.recv_exit_status()
    out, err = (bytes(kept[name]).decode(errors="replace") for name in ("out", "err"))
    return SSHResult(success=code == 0, stdout=out, stderr=err, returncode=code)


def _take(channel: paramiko.Channel, kept: dict[str, bytearray]) -> bool:
    """Take what has arrived; answer whether anything had."""
    moved = False
    for ready, receive, name in (
        (channel.recv_ready, channel.recv, "out"),
        (channel.recv_stderr_ready, channel.recv_stderr, "err"),
    ):
        while ready():
            data = receive(1 << 16)
            moved = moved or bool(data)
            kept[name] += data[: max(0, KEPT - len(kept[name]))]
            if not data:
                break
    return moved


def _parsed(bastion: str, default_user: str | None) -> _Machine:
    user, _, address = bastion.rpartition("@")
    name, _, port = address.partition(":")
    return _Machine(name, user or default_user, int(port or DEFAULT_PORT))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
