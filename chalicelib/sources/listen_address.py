"""The address that the API listens on, as `API_HOST` is read: one host name or IP address, without a port.

Other programs know more spellings of "all addresses" and of a port. They are refused with what to write, so
that the health check of the image, which connects to the same value, can use it as it is.
"""

from __future__ import annotations

import ipaddress
import re

ONE = "write one IP address or host name, such as 127.0.0.1, or 0.0.0.0 for all addresses"
_ALL = frozenset({"*", "+", "any", "all"})


def listen_address(value: str) -> str:
    """Read the address to listen on. Raises ValueError with what to write instead."""
    if "://" in value:
        raise ValueError("write the address alone, without http:// and port; the port goes into API_PORT")
    if value.lower() in _ALL:
        raise ValueError("write 0.0.0.0 for all addresses, :: for those of IPv6 too")
    if re.search(r"[\s,;]", value):
        raise ValueError(ONE)
    if re.fullmatch(r"\[[^\[\]]*\]", value):
        raise ValueError("write an IPv6 address without brackets, such as ::")
    if not _is_ip(value.partition("%")[0]) and re.search(r":[^:]*$", value):
        raise ValueError("write the address alone; the port goes into API_PORT")
    if re.search(r"[/*\[\]]", value):
        raise ValueError(ONE)
    return value


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
