"""Which hosts of an address are public: a connection to one of them crosses networks that are not ours.

Not public are socket files, this machine, private networks (RFC 1918, unique local and link-local addresses),
names without a dot, as Docker's networks have, and names that are reserved for such networks. Limit: names
are not looked up, so a public name of a private address counts as public.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

PRIVATE = tuple(
    map(
        ip_network,
        (
            *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "0.0.0.0/32"),
            *("::1/128", "fc00::/7", "fe80::/10", "::/128"),
        ),
    )
)
# RFC 6761, 6762 and 8375; ICANN reserved .internal, which Docker and cloud networks use
RESERVED = (".localhost", ".local", ".internal", ".home.arpa")


def public(url: URL, environ: Mapping[str, str]) -> str | None:
    """Return a public host of a PostgreSQL address, None if it names none.

    As libpq does, `hostaddr` says where to connect, and the environment where the address says nothing.
    """
    return next((host for host in _hosts(url, environ) if is_public(host)), None)


def is_public(host: str) -> bool:
    """Say whether a host is reached over networks that are not ours."""
    if not host or host.startswith(("/", "@")):
        return False
    name = host.lower().rstrip(".").strip("[]").partition("%")[0]
    address = _address(name)
    if address is None:
        return "." in name and not name.endswith(RESERVED)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return not any((mapped or address) in network for network in PRIVATE)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(name))  # short forms such as 127.1
        except (OSError, ValueError):
            return None


def _hosts(url: URL, environ: Mapping[str, str]) -> Iterator[str]:
    named = list(_listed(url.query.get("host"))) or list(_listed(url.host)) or [environ.get("PGHOST", "")]
    addresses = list(_listed(url.query.get("hostaddr"))) or [environ.get("PGHOSTADDR", "")]
    for entry in named:
        for host in entry.split(","):
            yield _without_port(host.strip())
    for entry in addresses:
        yield from (address.strip() for address in entry.split(","))


def _listed(value: str | tuple[str, ...] | None) -> Iterator[str]:
    if value:
        yield from (value,) if isinstance(value, str) else value


def _without_port(host: str) -> str:
    """Return a host without a port behind it: SQLAlchemy takes `host:port` among the parameters."""
    return host if host.startswith(("/", "@")) or host.count(":") > 1 else host.partition(":")[0]
