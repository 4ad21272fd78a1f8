"""Commands on other machines, by ssh with verified host keys.

No function raises: a failure has returncode -1. The key is `key_path`, or SAURON_SSH_KEY_PATH, or
SSH_PRIVATE_KEY_B64 (decoded in memory). Host keys are looked up in SAURON_SSH_KNOWN_HOSTS (a file, or the
lines themselves) and in ~/.ssh/known_hosts. An unknown host is refused, and the reason holds the line to add.
Limit: at the timeout the connection is closed, and the command may go on there (`timeout 60 ...` ends it). Of
each stream `keep_bytes` are kept, half from its beginning and half from its end.
"""

from __future__ import annotations

import contextlib
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sauron_jobs_loader.bounded_output import BoundedOutput

from .known_hosts import DEFAULT_PORT
from .ssh_connection import Machine, connected, left, machine

if TYPE_CHECKING:
    import paramiko

LIMIT = 8 << 20
QUIET_SECONDS = 1.0
"""How long output may pause after the exit code. A daemon left on the host keeps the stream open."""

_LOOK_SECONDS = 0.5
"""How often the exit code is looked at: it does not wake the poll, but output and its end do."""


class SSHResult(NamedTuple):
    """How a command on another machine ended; a tuple, because jobs unpack it.

    `returncode` is -1 if it did not run to its end; `stderr` has the reason.
    """

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
    key_path: str | Path | None = None,
    bastion_host: str | None = None,
    keep_bytes: int = LIMIT,
) -> SSHResult:
    """Run a command line in the shell of a host, through `bastion_host` if one is given.

    `timeout` limits the seconds of connecting, authenticating and running together. A bastion is
    `user@host[:port]`, an IPv6 address in brackets; several are separated by commas and passed in their
    order, as by ProxyJump.
    """
    deadline = time.monotonic() + timeout
    ran = _Ran(keep_bytes)
    address = f"{host}:{port}"
    try:
        target = machine(
            f"[{host}]" if ":" in host and not host.startswith("[") else host, port=port, user=user
        )
        address = target.address
        with connected(target, _bastions(bastion_host, target.user), key_path, deadline) as transport:
            code = ran.run(transport, command, deadline)
    except TimeoutError:
        return ran.failed(f"ssh to {address}: did not end within {timeout:g} s")
    except Exception as error:  # noqa: BLE001 - a library and a network may raise anything
        return ran.failed(f"ssh to {address}: {str(error) or type(error).__name__}")
    if code < 0:
        return ran.failed(f"ssh to {address}: the command was ended by a signal, or the connection was lost")
    return SSHResult(success=code == 0, stdout=ran.out.text(), stderr=ran.err.text(), returncode=code)


def test_ssh_connection(host: str, **how: object) -> bool:
    """Return whether a command can be run on the host. The options are those of `run_ssh_command`."""
    return run_ssh_command(host, "true", **how).success  # type: ignore[arg-type]


test_ssh_connection.__test__ = False  # type: ignore[attr-defined] # not a test, in spite of its name


class _Ran:
    """A command and its output so far, which a failure does not lose."""

    def __init__(self, keep_bytes: int) -> None:
        self.out = BoundedOutput(first=keep_bytes // 2, last=keep_bytes // 2)
        self.err = BoundedOutput(first=keep_bytes // 2, last=keep_bytes // 2)

    def run(self, transport: paramiko.Transport, command: str, deadline: float) -> int:
        """Run the command and return its exit code, below 0 if it has none. Raises TimeoutError."""
        with contextlib.closing(transport.open_session(timeout=left(deadline))) as channel:
            channel.settimeout(left(deadline))
            channel.exec_command(command)
            channel.shutdown_write()
            self._listen(channel, deadline)
            if not channel.status_event.wait(left(deadline)):
                raise TimeoutError
            return channel.recv_exit_status()

    def failed(self, reason: str) -> SSHResult:
        """Return a failure, with the output before it."""
        said = self.err.text()
        gap = "\n" if said and not said.endswith("\n") else ""
        return SSHResult(success=False, stdout=self.out.text(), stderr=f"{said}{gap}{reason}", returncode=-1)

    def _listen(self, channel: paramiko.Channel, deadline: float) -> None:
        """Read output until it ends, or pauses after the exit code."""
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        ended_at: float | None = None
        while True:
            over = channel.eof_received or channel.closed
            if channel.exit_status_ready() and ended_at is None:
                ended_at = time.monotonic()
            if self._take(channel):
                ended_at = None if ended_at is None else time.monotonic()
                left(deadline)
                continue
            if over or (ended_at is not None and time.monotonic() - ended_at > QUIET_SECONDS):
                return
            poll.poll(min(left(deadline), _LOOK_SECONDS) * 1000 + 1)

    def _take(self, channel: paramiko.Channel) -> bool:
        """Read the output that has arrived; return whether there was any."""
        moved = False
        for ready, receive, kept in (
            (channel.recv_ready, channel.recv, self.out),
            (channel.recv_stderr_ready, channel.recv_stderr, self.err),
        ):
            if ready() and (data := receive(1 << 16)):
                kept.add(data)
                moved = True
        return moved


def _bastions(given: str | None, default_user: str) -> list[Machine]:
    return [machine(one, user=default_user) for one in (given or "").split(",") if one.strip()]
