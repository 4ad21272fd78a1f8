"""Mail through a mail server (SMTP). It reads no setting from the environment: the caller passes them.

TLS is used where the server offers it, and its certificate is verified with the roots of this system (or of
SSL_CERT_FILE). A password is sent inside TLS alone, or to this machine. A mail whose reply was lost may be
sent twice by whoever tries again. Limit: no attachments; recipients see each other.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.utils import formatdate, make_msgid, parseaddr
from ipaddress import ip_address

from sauron_jobs_loader.masking import Masker
from sauron_jobs_loader.smtp_address import SmtpAddress, parse
from sauron_jobs_loader.tls_fault import tls_fault

from .mail_message import MailError, addresses, compose

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""How long connecting, and then each wait for a reply, may take."""

_READY, _AUTHENTICATED = 220, 235
_MAY_PASS = range(400, 500)  # replies that say: try again later (RFC 5321, section 4.2.1)


class Accepted(str):
    """A Message-ID, with the server's `reply` to the mail, such as `250 2.0.0 queued as 4F1`."""

    __slots__ = ("reply",)
    reply: str


class _Connection(smtplib.SMTP):
    """A connection that keeps the reply to the last mail."""

    accepted = ""

    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override] # typeshed's is narrower
        """Send the mail itself."""
        code, reply = super().data(msg)
        self.accepted = f"{code} {_words(reply)}"
        return code, reply


class _TlsConnection(smtplib.SMTP_SSL, _Connection):
    """The same, whose first byte is TLS's."""


class SmtpMailer:
    """Sends mail from one sender through one server. Safe to share between threads: each mail connects."""

    def __init__(self, url: str, *, sender: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Prepare; nothing is connected yet. Raises ValueError if the address cannot be used."""
        self.sender = sender
        self.address: SmtpAddress = parse(url)
        self._timeout = timeout_seconds
        self._masker = Masker(secret for secret in (url, self.address.password) if secret)

    def send(
        self,
        recipients: Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: Sequence[str] = (),
        in_reply_to: str | None = None,
        references: str | None = None,
    ) -> Accepted:
        """Send one mail in UTF-8; return its Message-ID with the server's reply.

        A server that refuses some of several recipients has sent the mail to the others, which is logged.
        Raises MailError without secrets.
        """
        to = addresses(recipients)
        if not to:
            raise MailError(
                "the mail has no recipient: write an address such as ops@example.com", temporary=False
            )
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        try:
            mail = compose(
                self.sender,
                to,
                subject,
                text,
                html,
                reply_to=reply_to,
                in_reply_to=in_reply_to,
                references=references,
            )
            mail["Date"] = formatdate()
            mail["Message-ID"] = make_msgid(domain=domain if domain.isascii() and domain else "localhost")
            connection = self._connected()
            try:
                refused = connection.send_message(mail)
            finally:  # what the server says to QUIT changes nothing about the mail
                with contextlib.suppress(Exception):
                    connection.quit()
                connection.close()
        except MailError:
            raise
        except Exception as error:  # noqa: BLE001 - a server and a network may raise anything
            raise self._fault(error) from None  # the chain could show a secret
        for address, (code, reply) in refused.items():
            _log.warning("%s refused %s: %s %s", self.address.shown, address, code, _words(reply))
        accepted = Accepted(mail["Message-ID"])
        accepted.reply = connection.accepted
        return accepted

    def _connected(self) -> _Connection:
        """Connect, begin TLS where it is offered, and sign in."""
        at, context = self.address, ssl.create_default_context()
        connection: _Connection = (
            _TlsConnection(local_hostname="localhost", timeout=self._timeout, context=context)
            if at.tls
            else _Connection(local_hostname="localhost", timeout=self._timeout)
        )
        connection._host = at.host  # type: ignore[attr-defined] # noqa: SLF001 - the name in the certificate; smtplib sets it in its constructor alone
        try:
            code, greeting = connection.connect(at.host, at.port)
            if code != _READY:
                raise smtplib.SMTPConnectError(code, greeting)  # noqa: TRY301 - what follows closes it
            connection.local_hostname = _literal(connection)
            connection.ehlo_or_helo_if_needed()
            safe = at.tls
            if not safe and connection.has_extn("starttls"):
                connection.starttls(context=context)
                connection.ehlo_or_helo_if_needed()
                safe = True
            if at.user and at.password:
                if not safe and not _is_loopback(connection):
                    raise MailError(_no_tls(at.shown), temporary=False)  # noqa: TRY301 - as above
                _sign_in(connection, at.user, at.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _fault(self, error: Exception) -> MailError:
        temporary, host = True, self.address.shown
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            replies = [
                (code, f"{to}: {code} {_words(reply)}") for to, (code, reply) in error.recipients.items()
            ]
            temporary = any(code in _MAY_PASS for code, _ in replies)
            words = f"{host} refused the recipients ({'; '.join(said for _, said in replies)})"
        elif isinstance(error, smtplib.SMTPResponseException):
            temporary = error.smtp_code in _MAY_PASS
            words = f"{host} replied {error.smtp_code} {_words(error.smtp_error)}"
        elif isinstance(error, smtplib.SMTPNotSupportedError):
            temporary = False
            words = f"{host} cannot do what is needed: {error}"
        elif isinstance(error, ssl.SSLError):
            words = f"{host}: {tls_fault(str(error)) or error}"
        elif isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            words = f"{host} did not answer within {self._timeout:g} s"
        elif isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
            words = f"{host}: no connection ({error.strerror or error})"
        elif isinstance(error, smtplib.SMTPServerDisconnected):
            words = f"{host} closed the connection"
        else:
            temporary = isinstance(error, smtplib.SMTPException)
            words = f"{host}: {type(error).__name__}: {error}"
        return MailError(self._masker.text(" ".join(words.split()))[:1000], temporary)


def _no_tls(server: str) -> str:
    return (
        f"{server} offers no STARTTLS, so the password is not sent there: write smtps:// if the server has a "
        "port for TLS, or leave user and password out"
    )


def _sign_in(connection: smtplib.SMTP, user: str, password: str) -> None:
    """Sign in. The standard library writes ASCII alone; others go as AUTH PLAIN in UTF-8 (RFC 4616)."""
    if (user + password).isascii():
        connection.login(user, password)
        return
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    code, reply = connection.docmd("AUTH", f"PLAIN {token}")
    if code != _AUTHENTICATED:
        raise smtplib.SMTPAuthenticationError(code, reply)


def _socket(connection: smtplib.SMTP) -> socket.socket:
    if connection.sock is None:
        raise smtplib.SMTPServerDisconnected("it closed the connection")
    return connection.sock


def _literal(connection: smtplib.SMTP) -> str:
    """Return this end of a connection as EHLO names it (RFC 5321, section 4.1.3): no name is looked up."""
    address = _socket(connection).getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _is_loopback(connection: smtplib.SMTP) -> bool:
    """Return whether the other end is this machine: by the address that answered, not by its name."""
    address = ip_address(_socket(connection).getpeername()[0].partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _words(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())
