"""Real mail servers on this machine: what they take, what they refuse, and what was said to them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


@dataclass(slots=True)
class MailServer:
    """A server: its port, the mails it took, the credentials it saw, and its answer to the next mail."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    signed_in: list[tuple[str, str, bool]] = field(default_factory=list)  # user, password, inside TLS
    answer: Callable[[EmailMessage], str] = lambda _mail: "250 2.0.0 queued as 4F1"
    always_tls: bool = False
    refused: frozenset[str] = frozenset()  # recipients that it does not know
    farewell: str = "221 Bye"  # what it says to QUIT

    async def handle_QUIT(self, *_given: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return self.farewell

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        mail = message_from_bytes(content if isinstance(content, bytes) else b"", policy=default)
        said = self.answer(mail)
        if said.startswith("2"):
            self.mails.append(mail)
            self.envelopes.append(envelope)
        return said

    def sign_in(self, _server: SMTP, session: Any, _envelope: Envelope, _way: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        user, password = given.login.decode(), given.password.decode()
        self.signed_in.append((user, password, self.always_tls or session.ssl is not None))
        return AuthResult(success=password == "hunter2 & more", handled=False)

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


class _Controller(Controller):
    def __init__(self, *given: Any, starttls: ssl.SSLContext | None, **more: Any) -> None:
        self._starttls = starttls
        super().__init__(*given, **more)

    def factory(self) -> SMTP:
        return SMTP(self.handler, tls_context=self._starttls, **self.SMTP_kwargs)


@contextmanager
def mail_server(
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    starttls: ssl.SSLContext | None = None,
    smtps: ssl.SSLContext | None = None,
    state: MailServer | None = None,
) -> Iterator[MailServer]:
    """Serve on a free port, or on this one, until the block ends; `state` goes on where another ended."""
    server = state or MailServer()
    server.always_tls = smtps is not None
    server.port = port or _free_port(host)
    controller = _Controller(
        server,
        hostname=host,
        port=server.port,
        ssl_context=smtps,
        starttls=starttls,
        authenticator=server.sign_in,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as found:
        return int(found.getsockname()[1])
