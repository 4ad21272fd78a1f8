"""The library apprise, imported when a service is configured: it costs about a second.

Its log is heard by whoever sends, and goes nowhere else: it may hold addresses.
"""

from __future__ import annotations

import functools
import logging
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

SECONDS = 30.0  # for one message, however many requests and pauses a service needs
LOGGER = "apprise"


@functools.cache
def asset() -> AppriseAsset:
    """Return how every service behaves: nothing on disk, no redirects, an end to waiting."""
    logger = logging.getLogger(LOGGER)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.DEBUG)  # the reason of a connection that failed is said there alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its plugins, about libraries that some of them use
        from apprise import AppriseAsset

        _plugins().load_modules()
    return AppriseAsset(
        app_id="Sauron",
        app_desc="Sauron",
        app_url="",
        http_redirects=False,
        secure_logging=True,
        service_timeout=SECONDS,
        storage_mode="memory",
    )


def _plugins() -> Any:
    """Return the registry of services; its own types are not declared."""
    from apprise import manager_plugins

    registry: Any = manager_plugins.NotificationManager
    return registry()


def service(url: str) -> NotifyBase | None:
    """Return the service of an address, None if apprise cannot use it. Nothing is connected."""
    made = asset()
    from apprise import Apprise

    return Apprise.instantiate(url, asset=made)


def scheme_of(url: str) -> str:
    """Return the scheme of an address: its own, or the service's if it is one that the service gave out."""
    scheme = url.partition("://")[0]
    if scheme in {"http", "https"} and (made := service(url)) is not None:
        known: Any = made.secure_protocol or made.protocol
        return str(known if isinstance(known, str) else known[0])
    return scheme


def schemes() -> list[str]:
    """Return the schemes that apprise knows."""
    asset()
    return list(_plugins().schemas())


def templates(scheme: str) -> tuple[str, ...]:
    """Return how addresses of a scheme are written, such as `slack://{token_a}/{token_b}/{token_c}`."""
    asset()
    return tuple(one.replace("{schema}", scheme) for one in _plugins()[scheme].templates)
