"""Whose address a request comes from, as far as limits are concerned."""

from __future__ import annotations

import ipaddress

SUBSCRIBER_BITS = 64  # of an IPv6 address: one customer commands all addresses of such a network


def client_network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed.is_loopback:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, SUBSCRIBER_BITS), strict=False))
