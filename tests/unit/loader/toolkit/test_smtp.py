"""Mail by a real mail server: TLS with a root of our own, refusals, and where no password goes."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from sauron_jobs_loader.toolkit.email import send_email
from sauron_jobs_loader.toolkit.mail_message import MailError
from sauron_jobs_loader.toolkit.smtp import SmtpMailer
from tests.http_receiver import receive
from tests.smtp_servers import mail_server
from tests.tls_servers import Authority, Door
from tests.unit.loader.toolkit.test_mail import fault

PASSWORD = "hunter2%20%26%20more"
SENDER = "Sauron <sauron@example.org>"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def _trusted(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root.pem"
    root.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))


def other_address() -> str | None:
    """Return an address of this machine that is not loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return None
        found = str(asked.getsockname()[0])
    return None if found.startswith(("127.", "0.")) else found


@pytest.mark.usefixtures("_trusted")
def test_starttls_is_begun_before_the_password_and_the_reply_is_returned(
    authority: Authority, tmp_path: Path
) -> None:
    with mail_server(starttls=authority.context(tmp_path, "localhost", "127.0.0.1")) as server:
        mailer = SmtpMailer(f"smtp://ops%40x:{PASSWORD}@localhost:{server.port}", sender=SENDER)
        sent = mailer.send(
            ["Ümit <a@example.org>", "b@example.org"], "Grüße\nan alle", "text ü", "<p>html</p>"
        )
    assert server.signed_in == [("ops@x", "hunter2 & more", True)]
    mail = server.mails[0]
    assert (mail["Subject"], mail["From"], mail["Message-ID"]) == ("Grüße an alle", SENDER, sent)
    assert mail["Date"]
    assert sent.endswith("@example.org>")
    assert sent.reply == "250 2.0.0 queued as 4F1"
    assert server.envelopes[0].mail_from == "sauron@example.org"
    assert server.envelopes[0].rcpt_tos == ["a@example.org", "b@example.org"]
    bodies = [part.get_content().strip() for part in mail.walk() if not part.is_multipart()]
    assert bodies == ["text ü", "<p>html</p>"]


@pytest.mark.usefixtures("_trusted")
def test_smtps_begins_with_tls(authority: Authority, tmp_path: Path) -> None:
    with mail_server(smtps=authority.context(tmp_path, "127.0.0.1")) as server:
        mailer = SmtpMailer(f"smtps://ops:{PASSWORD}@127.0.0.1:{server.port}", sender=SENDER)
        assert mailer.send(["a@example.org"], "s", "text")
    assert server.signed_in == [("ops", "hunter2 & more", True)]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_is_not_valid_gets_neither_password_nor_mail(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, *, known: bool
) -> None:
    if known:  # the root is right, and the name another's
        (tmp_path / "root.pem").write_text(authority.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    context = authority.context(tmp_path, "mail.example.org" if known else "127.0.0.1")
    served = mail_server(smtps=context) if scheme == "smtps" else mail_server(starttls=context)
    with served as server:
        mailer = SmtpMailer(f"{scheme}://ops:{PASSWORD}@127.0.0.1:{server.port}", sender=SENDER)
        said = "certificate is for another host" if known else "root of its certificate .*SSL_CERT_FILE"
        with pytest.raises(MailError, match=said) as refused:
            mailer.send(["a@example.org"], "s", "text")
    assert (server.signed_in, server.mails) == ([], [])
    assert "hunter2" not in str(refused.value)


def test_without_tls_a_password_goes_to_this_machine_alone() -> None:
    with mail_server() as server:
        assert SmtpMailer(f"smtp://ops:{PASSWORD}@localhost:{server.port}", sender=SENDER).send(
            ["a@example.org"], "s", "text"
        )
    assert server.signed_in == [("ops", "hunter2 & more", False)]
    host = other_address()
    if host is None:
        pytest.skip("this machine has loopback alone")
    with mail_server(host=host) as server:
        mailer = SmtpMailer(f"smtp://ops:{PASSWORD}@{host}:{server.port}", sender=SENDER)
        with pytest.raises(MailError, match="offers no STARTTLS, so the password is not sent") as refused:
            mailer.send(["a@example.org"], "s", "text")
        assert not refused.value.temporary
        assert (server.signed_in, server.mails) == ([], [])
        assert SmtpMailer(f"smtp://{host}:{server.port}", sender=SENDER).send(["a@example.org"], "s", "text")


def test_a_refusal_says_who_replied_what_and_whether_it_may_pass() -> None:
    with mail_server() as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}", sender=SENDER)
        for answer, temporary in (("554 5.7.1 no spam", False), ("451 4.3.0 try later", True)):
            server.answer = lambda _mail, answer=answer: answer  # type: ignore[misc]
            with pytest.raises(MailError) as refused:
                mailer.send(["a@example.org"], "s", "text")
            assert str(refused.value) == f"127.0.0.1:{server.port} replied {answer}"
            assert refused.value.temporary is temporary
        server.refused = frozenset({"a@example.org"})
        with pytest.raises(MailError, match=r"a@example.org: 550 5.1.1 no such user") as refused:
            mailer.send(["a@example.org"], "s", "text")
        assert not refused.value.temporary
        wrong = SmtpMailer(f"smtp://ops:wrongwrong@127.0.0.1:{server.port}", sender=SENDER)
        with pytest.raises(MailError, match="replied 535") as refused:
            wrong.send(["a@example.org"], "s", "text")
        assert "wrongwrong" not in str(refused.value)


def test_one_unknown_recipient_does_not_keep_the_mail_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with mail_server() as server:
        server.refused = frozenset({"a@example.org"})
        server.answer = lambda _mail: "250 OK"
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}", sender=SENDER)
        assert mailer.send(["a@example.org", "b@example.org"], "s", "text")
    assert server.envelopes[0].rcpt_tos == ["b@example.org"]
    assert "refused a@example.org: 550 5.1.1 no such user" in caplog.text


@pytest.mark.parametrize("farewell", ["250 bye", "421 timeout", "500 what?"])
def test_what_a_server_says_after_it_took_a_mail_changes_nothing(farewell: str) -> None:
    with mail_server() as server:
        server.farewell = farewell
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}", sender=SENDER)
        assert mailer.send(["a@example.org"], "s", "text")
    assert len(server.mails) == 1


def test_a_server_that_is_silent_or_not_there_ends_at_the_timeout() -> None:
    def read_only(_door: Door, wire: socket.socket) -> None:
        wire.recv(1)

    silent = Door(read_only)
    try:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{silent.port}", sender=SENDER, timeout_seconds=0.1)
        with pytest.raises(MailError, match=r"did not answer within 0.1 s") as refused:
            mailer.send(["a@example.org"], "s", "text")
        assert refused.value.temporary
    finally:
        silent.close()
    with pytest.raises(MailError, match="no connection") as refused:
        SmtpMailer("smtp://127.0.0.1:9", sender=SENDER).send(["a@example.org"], "s", "text")
    assert refused.value.temporary


def test_a_password_that_is_not_ascii_signs_in() -> None:
    with mail_server() as server:
        mailer = SmtpMailer(f"smtp://ops:gr%C3%BC%C3%9Fe@127.0.0.1:{server.port}", sender=SENDER)
        with pytest.raises(MailError, match="replied 535"):  # it is not the one that the server knows
            mailer.send(["a@example.org"], "s", "text")
    assert server.signed_in == [("ops", "grüße", False)]


def test_mail_of_a_job_goes_through_the_mail_server_where_no_ses_keys_are_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with mail_server() as server, receive(fault("AccessDenied", "no")) as ses:
        url = f"smtp://ops:{PASSWORD}@127.0.0.1:{server.port}"
        for name, value in {"SAURON_SMTP_URL": url, "FROM_EMAIL": SENDER, "NOTIFY_EMAIL": "a@x.test"}.items():
            monkeypatch.setenv(name, value)
        text = f"{url} and hunter2 & more"
        assert send_email(text, text)
        assert server.subjects == ["*** and ***"]
        monkeypatch.setenv("AWS_SES_ACCESS_KEY_ID", "AKIAMADEUP")
        monkeypatch.setenv("AWS_SES_SECRET_ACCESS_KEY", "made/up/secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL", ses.url)
        assert send_email("s", "b") is None
        assert (len(server.mails), len(ses.asked)) == (1, 1)
        for name in ("AWS_SES_ACCESS_KEY_ID", "AWS_SES_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("SAURON_SMTP_URL", "smtp://ops@")
        assert send_email("s", "b") is None
    assert "SES replied AccessDenied" in caplog.text
    assert "SAURON_SMTP_URL: the host is missing; write smtp://user" in caplog.text
    assert "hunter2" not in caplog.text
