"""The mail channel: one mail about one or several alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from chalicelib import logs
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert

from .messages import as_mail
from .refusal import RefusedError

log = logs.get(__name__)


class Mailer(Protocol):
    """Sends mail. A refusal that will not go away by itself raises an error whose `temporary` is false."""

    def send(
        self,
        recipients: Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: Sequence[str] = (),
    ) -> str:
        """Send one mail and return its Message-ID."""


def send(mailer: Mailer, some: Sequence[Alert], settings: Settings) -> str:
    """Send one mail about these alerts; say to whom, under which Message-ID and what a mail server replied.

    Raises RefusedError when it was not accepted.
    """
    mail = as_mail(some, scheduler=settings.scheduler_name)
    try:
        message = mailer.send([settings.alert_email or ""], mail.subject, mail.text, mail.html)
    except Exception as error:  # whatever a mail service and the network throw
        raise RefusedError(
            str(error) or type(error).__name__, channel=getattr(error, "temporary", True)
        ) from error
    reply = getattr(message, "reply", "")
    return f"sent to {settings.alert_email} as {message}" + (f" ({reply})" if reply else "")


def open_mailer(factory: Callable[[], Mailer]) -> Mailer:
    """Return the mailer; raise RefusedError when it cannot be opened."""
    try:
        return factory()
    except Exception as error:  # whatever its library throws
        log.exception("mailer.failed")
        raise RefusedError(f"mail cannot be sent ({type(error).__name__})", channel=True) from error
