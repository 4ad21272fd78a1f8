"""One verified, authenticated ssh connection, through as many bastions as are named, within one deadline.

Every machine on the way shows its host key and is checked; the same key opens each of them. There is no
agent, no password, nobody to ask. Limit: looking up a name is the resolver's, which keeps its own time.
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
from typing import TYPE_CHECKING

from sauron_jobs_loader.errors import LoaderError

from .known_hosts import DEFAULT_PORT, KnownHosts, fingerprint, host_name
from .ssh_key import private_key

if TYPE_CHECKING:
    import paramiko

KEEPALIVE_SECONDS = 15
HIGHEST_PORT = 65535
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Which algorithms prove a key of a kind; the others are named as their kind is."""


class ConnectError(LoaderError):
    """A machine cannot be reached, or lets this key do nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to connect and as whom."""

    host: str
    port: int
    user: str

    @property
    def address(self) -> str:
        """The machine in messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def machine(text: str, *, port: int = DEFAULT_PORT, user: str | None = None) -> Machine:
    """Read `[user@]host[:port]`; an IPv6 address is written in brackets, or without a port. Raises ConnectError."""
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
            f"{text!r} is no machine: write user@host, user@host:port or user@[IPv6 address]:port."
        )
    return Machine(host, int(given or port), named or user or _own_name())


def left(deadline: float) -> float:
    """Return the seconds to a deadline of the monotonic clock. Raises TimeoutError when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


@contextlib.contextmanager
def connected(
    target: Machine, bastions: Sequence[Machine], key_path: str | None, deadline: float
) -> Iterator[paramiko.Transport]:
    """Connect to a machine, verified and authenticated. Raises TimeoutError, and LoaderError with what to do."""
    for name in ("paramiko", "paramiko.transport"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            # the result says it all; a library's tracebacks in the job's log say less
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
                left(deadline)  # what a library raises at its own timeout is ours
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
    """Agree on keys with a server and check who it is."""
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
        left(deadline)  # start_client returns at its timeout as if all were well
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
            f"the server takes no keys from {hop.user}, but {ways}: allow public keys there."
        ) from error
    except paramiko.AuthenticationException as error:
        left(deadline)
        raise ConnectError(
            f"the server does not accept the key {shown} for user {hop.user}: add its public half to the authorized_keys of "
            f"{hop.user} there, or correct user or key."
        ) from error
    if more:
        raise ConnectError(
            f"the server wants more than the key {shown}: {', '.join(more)}. A job has nobody to ask."
        )


def _words(hop: Machine, target: Machine, error: Exception) -> str:
    words = str(error) or type(error).__name__
    if type(error).__name__ == "IncompatiblePeer":
        words += (
            " (the server is too old, or allows too little: it must offer ed25519, ECDSA or RSA with SHA-2)"
        )
    return words if hop is target else f"bastion {hop.address}: {words}"


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ConnectError("no user is given, and this account has no name: write user=.") from None
