"""Send one message to a chat or push service, and say why it was not accepted.

apprise tells no more than that it failed; the reason and the status are in what it logs meanwhile.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sauron_jobs_loader.tls_fault import tls_fault

from . import library

if TYPE_CHECKING:
    from apprise import NotifyBase

ROOT_IN = "REQUESTS_CA_BUNDLE"  # the variable by which the library is told of a root

_STATUS = re.compile(r"\b(?:error|status|code)\W{1,3}([1-5]\d\d)\b", re.IGNORECASE)
_SYSTEM = re.compile(r"\[Errno -?\d+\] ([A-Z][A-Za-z ]+)")


class NotAcceptedError(Exception):
    """A service did not accept a message. `status` is the HTTP status if it gave one."""

    def __init__(self, reason: str, status: int | None) -> None:
        self.status = status
        super().__init__(reason)


def open_service(url: str) -> NotifyBase:
    """Return the service of an address that was checked before. Raises NotAcceptedError."""
    service = library.service(url)
    if service is None:
        raise NotAcceptedError("apprise cannot use its address", None)
    return service


def send(service: NotifyBase, title: str, text: str, *, harmless: bool) -> None:
    """Send one message as plain text, cut to what the service takes.

    Raises NotAcceptedError; its reason is not masked. It takes up to `library.SECONDS`.
    """
    from apprise import Apprise, NotifyFormat, NotifyType, OverflowMode

    if service.overflow_mode is OverflowMode.UPSTREAM and service.body_maxlen < len(title) + len(text):
        service.overflow_mode = OverflowMode.TRUNCATE
    sender = Apprise(service, asset=library.asset())
    result = sender.notify(
        body=text,
        title=title,
        notify_type=NotifyType.INFO if harmless else NotifyType.WARNING,
        body_format=NotifyFormat.TEXT,
        interpret_escapes=False,
        log_level=logging.DEBUG,
    )
    if result:
        return
    logged = list(result.logs())
    said = [entry.message for entry in logged if entry.level in {"WARNING", "ERROR"}]
    reason = " ".join(" ".join(said).split()) or f"it did not accept the message within {library.SECONDS:g} s"
    if cause := _cause([entry.message for entry in logged if entry.level == "DEBUG"]):
        reason = f"{reason.rstrip('.')}: {cause}"
    status = _STATUS.search(reason)
    raise NotAcceptedError(reason, int(status[1]) if status else None)


def _cause(logged: Sequence[str]) -> str | None:
    """Return why a connection failed, of which the library says no more in its warning.

    What it logs for developers holds addresses, so nothing of it is passed on but the system's own words.
    """
    for message in logged:
        if message.startswith("Socket Exception: "):
            if fault := tls_fault(message, root_in=ROOT_IN):
                return fault
            if known := _SYSTEM.search(message):
                return known[1].lower()
            if "timed out" in message:
                return "no answer in time"
    return None
