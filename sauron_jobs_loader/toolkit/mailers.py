"""The way mail takes: SES where its keys are set, else a mail server, else SES by the machine's own keys."""

from __future__ import annotations

from functools import lru_cache

from .ses import Mailer
from .smtp import SmtpMailer


@lru_cache(maxsize=4)
def mailer(
    *,
    sender: str,
    smtp_url: str | None,
    region: str,
    access_key: str | None,
    secret_key: str | None,
    endpoint_url: str | None,
) -> Mailer | SmtpMailer:
    """Return what sends mail from `sender`; nothing is connected yet.

    Raises ValueError if the address of the mail server cannot be used.
    """
    if smtp_url and not access_key and not secret_key:
        return SmtpMailer(smtp_url, sender=sender)
    return Mailer(
        region=region, access_key=access_key, secret_key=secret_key, sender=sender, endpoint_url=endpoint_url
    )
