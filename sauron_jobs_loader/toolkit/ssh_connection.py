"""One verified, authenticated ssh connection, through any number of bastions, within one deadline.

The host key of every machine on the way is checked, and each gets the same private key. No agent, password or
prompt is used. Limit: a name lookup has the time limit of the resolver.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sauron_jobs_loader.errors import LoaderError

from .known_hosts import DEFAULT_PORT, KnownHosts, fingerprint, host_name
from .ssh_key import private_key

if TYPE_CHECKING:
    import paramiko

KEEPALIVE_SECONDS = 15
HIGHEST_PORT = 65535
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""The signature algorithms of a kind of key; for the other kinds the algorithm has the name of the kind."""


class ConnectError(LoaderError):
    """A machine cannot be reached, or does not accept the key."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Host, port and user of a connection."""

    host: str
    port: int
    user: str

    @property
    def address(self) -> str:
        """The machine in messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def machine(text: str, *, port: int = DEFAULT_PORT, user: str | None = None) -> Machine:
    """Read `[user@]host[:port]`; an IPv6 address is written in brackets, or without a port.

    Raises ConnectError.
    """
    named, _, address = text.strip().rpartition("@")
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        given = rest.removeprefix(":") if rest.startswith(":") or not rest else "?"
    elif address.count(":") > 1:
        host, given = address, ""
    else:
        host, _, given = address.partition(":")
    if not host or (given and not (given.isascii() and given.isdigit() and 0 < int(given) <= HIGHEST_PORT)):
        raise ConnectError(
            f"{text!r} is not a valid machine: write user@host, user@host:port or user@[IPv6 address]:port"
        )
    return Machine(host, int(given or port), named or user or _own_name())


def left(deadline: float) -> float:
    """Return the seconds to a monotonic deadline. Raises TimeoutError if it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


@contextlib.contextmanager
def connected(
    target: Machine, bastions: Sequence[Machine], key_path: str | Path | None, deadline: float
) -> Iterator[paramiko.Transport]:
    """Connect to a machine, verified and authenticated.

    Raises TimeoutError, and LoaderError with what to do.
    """
    for name in ("paramiko", "paramiko.transport"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            # the result holds the reason; tracebacks of the library do not belong into the job's log
            logger.setLevel(logging.CRITICAL)
    known = KnownHosts.read(os.environ)
    with contextlib.ExitStack() as stack:
        transport: paramiko.Transport | None = None
        for hop in [*bastions, target]:
            try:
                pipe = _opened(hop, transport, deadline)
                stack.callback(pipe.close)
                transport = _greeted(hop, pipe, known, deadline)
                stack.callback(transport.close)
                _admitted(hop, transport, private_key(key_path, os.environ), deadline)
            except (LoaderError, TimeoutError):
                raise
            except Exception as error:
                left(deadline)  # at the deadline any error of the library is a TimeoutError
                raise ConnectError(_words(hop, target, error)) from error
        assert transport is not None  # noqa: S101 - the target is a hop
        yield transport


def _opened(
    hop: Machine, through: paramiko.Transport | None, deadline: float
) -> socket.socket | paramiko.Channel:
    if through is None:
        return socket.create_connection((hop.host, hop.port), timeout=left(deadline))
    return through.open_channel(
        "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=left(deadline)
    )


def _greeted(
    hop: Machine, pipe: socket.socket | paramiko.Channel, known: KnownHosts, deadline: float
) -> paramiko.Transport:
    """Exchange keys with a server and check its host key."""
    import paramiko

    name = host_name(hop.host, hop.port)
    transport = paramiko.Transport(pipe)
    try:
        seconds = left(deadline)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds
        transport.channel_timeout = transport.clear_to_send_timeout = seconds
        options = transport.get_security_options()
        wanted = [algorithm for kind in known.kinds(name) for algorithm in _ALGORITHMS.get(kind, (kind,))]
        offered = list(options.key_types)
        options.key_types = [
            *(one for one in wanted if one in offered),
            *(one for one in offered if one not in wanted),
        ]
        transport.start_client(timeout=seconds)
        left(deadline)  # start_client returns at its timeout without an error
        shown = transport.get_remote_server_key()
        known.check(name, shown.get_name(), shown.asbytes())
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return transport


def _admitted(hop: Machine, transport: paramiko.Transport, key: paramiko.PKey, deadline: float) -> None:
    import paramiko

    transport.auth_timeout = left(deadline)
    shown = f"{key.get_name()} {fingerprint(key.asbytes())}"
    try:
        more = transport.auth_publickey(hop.user, key)
    except paramiko.BadAuthenticationType as error:
        ways = ", ".join(error.allowed_types)
        raise ConnectError(
            f"the server accepts from {hop.user} only {ways}: allow public keys there"
        ) from error
    except paramiko.AuthenticationException as error:
        left(deadline)
        raise ConnectError(
            f"the server does not accept the key {shown} for user {hop.user}: add its public half to the "
            f"authorized_keys of {hop.user} there, or correct user or key"
        ) from error
    if more:
        raise ConnectError(
            f"the server requires more than the key {shown}: {', '.join(more)}, which a job cannot give; "
            "allow the key alone"
        )


def _words(hop: Machine, target: Machine, error: Exception) -> str:
    words = str(error) or type(error).__name__
    if type(error).__name__ == "IncompatiblePeer":
        words += " (the server is too old or too restricted: it must offer ed25519, ECDSA or RSA with SHA-2)"
    return words if hop is target else f"bastion {hop.address}: {words}"


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ConnectError("no user is given, and this account has no name: write user=") from None
