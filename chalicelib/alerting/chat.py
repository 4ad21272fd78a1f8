"""A chat channel: one message about one or several alerts to a service that apprise knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chalicelib.chat import sender
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert

from .messages import as_chat
from .refusal import OVERLOADED, TOO_MANY_REQUESTS, RefusedError

if TYPE_CHECKING:
    from apprise import NotifyBase


def open_service(name: str, settings: Settings) -> NotifyBase:
    """Return the service of a channel. Raises RefusedError when its address is not there."""
    for one in settings.alert_urls or ():
        if one.name == name:
            try:
                return sender.open_service(one.url)
            except sender.NotAcceptedError as error:
                raise RefusedError(str(error), channel=True) from error
    raise RefusedError("its address is no longer in SAURON_ALERT_URLS", channel=True)


def send(service: NotifyBase, some: Sequence[Alert], settings: Settings) -> str:
    """Send one message about these alerts and say who accepted it. Raises RefusedError, masked."""
    title, text, harmless = as_chat(some, scheduler=settings.scheduler_name)
    try:
        sender.send(service, title, text, harmless=harmless)
    except sender.NotAcceptedError as error:
        raise RefusedError(
            settings.masked(str(error)),
            channel=error.status is None or error.status in OVERLOADED,
            too_many=error.status == TOO_MANY_REQUESTS,
        ) from None
    return f"{service.service_name} accepted it"
