"""Connections to the server of a bundle: with verified certificates, through the proxy of the environment.

A connection keeps its socket as `wire` even after a response has taken it over, so that its time limit can
shrink while the response is read. On a system without certificates those of certifi are used.
"""

import os
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from sauron_jobs_loader.git.address import GitAddress, is_loopback


class _Http(HTTPConnection):
    def connect(self) -> None:
        """Connect, and keep the socket: its time limit shrinks while a response is read."""
        super().connect()
        self.wire = self.sock


class _Https(HTTPSConnection):
    def connect(self) -> None:
        """Connect, and keep the socket: its time limit shrinks while a response is read."""
        super().connect()
        self.wire = self.sock


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


def connections_to(address: GitAddress) -> urllib3.PoolManager:
    """Return connections that verify certificates.

    They use the proxy of the environment unless the host is this machine.
    """
    trusted = ssl.create_default_context(cafile=os.environ.get("GIT_SSL_CAINFO") or None)
    defaults = ssl.get_default_verify_paths()
    if not any(os.environ.get(name) for name in ("GIT_SSL_CAINFO", "SSL_CERT_FILE")) and not (
        defaults.cafile or defaults.capath
    ):
        trusted.load_verify_locations(certifi.where())
    host = address.host or ""
    proxy = (
        None
        if is_loopback(host) or proxy_bypass(host)
        else getproxies().get("https") or getproxies().get("all")
    )
    pool = urllib3.PoolManager(ssl_context=trusted)
    if proxy:
        parts = urlsplit(proxy)
        signed = (
            urllib3.make_headers(proxy_basic_auth=f"{parts.username}:{parts.password or ''}")
            if parts.username
            else None
        )
        pool = urllib3.ProxyManager(proxy, proxy_headers=signed, ssl_context=trusted)
    pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return pool
