"""Whose address a request comes from: as the audit log has it, and as far as limits are concerned.

It is that of the other end of the connection: no header of a proxy is read, since anybody could forge it.
"""

from __future__ import annotations

import ipaddress

from chalice.app import Request

LONGEST = 64  # characters of an address
SUBSCRIBER_BITS = 64  # of an IPv6 address: one customer commands all addresses of such a network


def client_address(request: Request) -> str | None:
    """Return the network address that a request comes from, an IPv4 address in its own form; None: none."""
    identity = request.context.get("identity") or {}
    address = str(identity.get("sourceIp") or "")
    parsed = _parsed(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped) if mapped else address[:LONGEST] or None


def client_network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed.is_loopback:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, SUBSCRIBER_BITS), strict=False))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
