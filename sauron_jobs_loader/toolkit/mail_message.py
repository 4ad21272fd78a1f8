"""A mail as it goes over the wire, and the addresses that people write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email import policy
from email.message import EmailMessage
from email.utils import formataddr, parseaddr

from sauron_jobs_loader.errors import LoaderError

_BETWEEN_ADDRESSES = re.compile(r'[,;\n](?=(?:[^"]*"[^"]*")*[^"]*$)')  # not inside a quoted name


class MailError(LoaderError):
    """A mail was not sent.

    `temporary`: the same mail may be accepted later; otherwise change something first.
    """

    def __init__(self, message: str, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


def addresses(given: str | Iterable[str] | None) -> list[str]:
    """Return the addresses in a text (separated by ',' or ';') or in a list of texts, each once."""
    texts = [given] if isinstance(given, str) else given or ()
    found = (address.strip() for text in texts for address in _BETWEEN_ADDRESSES.split(text))
    return list(dict.fromkeys(encoded(address) for address in found if address))


def encoded(address: str) -> str:
    """Return an address with its name encoded as mail headers require (RFC 2047)."""
    name, plain = parseaddr(address)
    return formataddr((name, plain)) if plain.isascii() and name and not name.isascii() else address


def line(text: str) -> str:
    """Return a text as one line: a header's value has no line breaks."""
    return " ".join(text.split())


def compose(
    sender: str,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str | None,
    *,
    reply_to: Sequence[str] = (),
    in_reply_to: str | None = None,
    references: str | None = None,
) -> EmailMessage:
    """Write a mail with the headers of its sender; date and Message-ID are its server's to add."""
    # the longest line that a mail may have: a Message-ID that is folded would no longer be recognised
    mail = EmailMessage(policy=policy.SMTP.clone(max_line_length=998))
    mail["Subject"] = line(subject).encode("utf-8", "replace").decode()
    mail["From"] = encoded(sender)
    mail["To"] = ", ".join(to)
    if in_reply_to:
        mail["In-Reply-To"] = line(in_reply_to)
        mail["References"] = line(references or in_reply_to)
    if reply_to:
        mail["Reply-To"] = ", ".join(addresses(reply_to))
    mail.set_content(text.encode("utf-8", "replace").decode(), cte="quoted-printable")
    if html is not None:
        mail.add_alternative(html.encode("utf-8", "replace").decode(), subtype="html", cte="quoted-printable")
    return mail
