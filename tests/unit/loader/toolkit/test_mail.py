"""Mail from jobs: a local SES, a server that is busy, one that is frozen; and nothing secret in any of it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sauron_jobs_loader import context
from sauron_jobs_loader.toolkit.email import send_alert_email, send_digest_email, send_email
from sauron_jobs_loader.toolkit.mail_message import MailError, addresses
from sauron_jobs_loader.toolkit.ses import RECIPIENTS_LIMIT, Mailer
from tests.http_receiver import Answer, receive

KEYS: dict[str, Any] = {"region": "us-east-1", "access_key": "AKIAMADEUP", "secret_key": "made/up/secret"}
SENT = Answer(
    200,
    '<SendEmailResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendEmailResult><MessageId>m-1</MessageId>'
    "</SendEmailResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SendEmailResponse>",
    {"Content-Type": "text/xml"},
)


def fault(code: str, message: str, status: int = 400) -> Answer:
    return Answer(
        status,
        f'<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>",
        {"Content-Type": "text/xml"},
    )


@pytest.fixture(scope="module")
def ses() -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host.replace('0.0.0.0', '127.0.0.1')}:{port}"  # noqa: S104 - where it says that it listens
    known = boto3.client(
        "ses",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    known.verify_email_identity(EmailAddress="sauron@example.com")
    known.close()
    yield url
    server.stop()


@pytest.fixture
def _settings(ses: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_ENDPOINT_URL": ses,
        "AWS_SES_ACCESS_KEY_ID": "AKIAMADEUP",
        "AWS_SES_SECRET_ACCESS_KEY": "made/up/secret",
        "FROM_EMAIL": "sauron@example.com",
        "NOTIFY_EMAIL": "ops@example.com",
        "ALERT_EMAIL": "alerts@example.com",
        "DIGEST_EMAIL": "digests@example.com, boss@example.com",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    context._running.clear()  # the job that a test made this process run


def last() -> Any:
    from moto.ses.models import ses_backends

    return ses_backends["123456789012"]["us-east-1"].sent_messages[-1]


@pytest.mark.usefixtures("_settings")
def test_a_mail_answers_its_message_id() -> None:
    assert send_email("A subject\nof two lines", "text with ü", "<p>html</p>")
    assert last().destinations["ToAddresses"] == ["ops@example.com"]
    assert last().subject == "A subject of two lines"


@pytest.mark.usefixtures("_settings")
def test_several_recipients_are_taken_as_text_or_list() -> None:
    assert send_email("s", "b", to_email="a@example.com; b@example.com,a@example.com")
    assert last().destinations["ToAddresses"] == ["a@example.com", "b@example.com"]
    assert send_email("s", "b", to_email=["c@example.com", "d@example.com"])
    assert last().destinations["ToAddresses"] == ["c@example.com", "d@example.com"]


@pytest.mark.usefixtures("_settings")
def test_alerts_and_digests_go_to_their_own_addresses() -> None:
    assert send_alert_email("disk full", level="critical")
    assert (last().subject, last().destinations["ToAddresses"]) == (
        "CRITICAL (SAURON): disk full",
        ["alerts@example.com"],
    )
    assert send_alert_email("disk full")
    assert last().subject == "WARNING (SAURON): disk full"
    assert send_digest_email("week", html="<p>all well</p>")
    assert last().destinations["ToAddresses"] == ["digests@example.com", "boss@example.com"]
    assert (last().subject, last().body) == ("SAURON DIGEST: week", "<p>all well</p>")


@pytest.mark.usefixtures("_settings")
def test_subjects_name_the_scheduler_or_the_source_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_SCHEDULER_NAME", "elrond")
    assert send_alert_email("disk full", level="info")
    assert last().subject == "INFO (ELROND): disk full"
    assert send_digest_email("week", source="backups")
    assert last().subject == "BACKUPS DIGEST: week"


@pytest.mark.usefixtures("_settings")
def test_a_sender_that_is_not_verified_is_none_with_the_reason_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert send_email("s", "b", from_email="stranger@example.org") is None
    assert "SES replied MessageRejected" in caplog.text


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert send_email("s", "b") is None
    monkeypatch.setenv("NOTIFY_EMAIL", "ops@example.com")
    assert send_email("s", "b") is None
    assert "it lacks a recipient" in caplog.text
    assert "it lacks a sender" in caplog.text


@pytest.mark.usefixtures("_settings")
def test_secrets_of_the_job_never_leave_by_mail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("CRM_TOKEN", "crm-token-value")
    left, right = socket.socketpair()
    with left, right:
        context.JobContext(
            job_id="job",
            run_id="r",
            attempt=1,
            scheduled_for=datetime.now(UTC),
            params={},
            secrets={"API_KEY": "api-key-value", "NOTIFY_EMAIL": "ops@example.com"},
            link=context.Channel(left, "n"),
            masked_names=frozenset({"CRM_TOKEN"}),
        )
        text = "api-key-value, crm-token-value, made/up/secret for ops@example.com"
        for text_only in (text, None):
            assert send_email(text, text, None if text_only else text)
            for shown in (last().subject, last().body):
                assert shown == "***, ***, *** for ops@example.com"
    assert "key-value" not in caplog.text


@pytest.mark.slow
def test_throttling_is_retried() -> None:
    busy = fault("Throttling", "Maximum sending rate exceeded.")
    with receive(busy, busy, SENT) as server:
        mailer = Mailer(**KEYS, sender="s@example.com", endpoint_url=server.url)
        assert (
            mailer.send(["ops@example.com"], "s", "text", "<p>html</p>", reply_to=["r@example.com"]) == "m-1"
        )
        assert len(server.asked) == 3
        assert "Message.Body.Html.Charset=UTF-8" in server.asked[-1].body
        assert "ReplyToAddresses.member.1=r%40example.com" in server.asked[-1].body


def test_a_fault_says_whether_it_is_temporary_and_holds_no_secret() -> None:
    for answer, temporary in (
        (fault("Throttling", "slow down"), True),
        (fault("AccessDenied", "made/up/secret"), False),
    ):
        with receive(answer) as server:
            mailer = Mailer(**KEYS, sender="s@example.com", endpoint_url=server.url)
            with pytest.raises(MailError) as refused:
                mailer.send(["ops@example.com"], "s", "text")
        assert refused.value.temporary is temporary
        assert "made/up/secret" not in str(refused.value)


@pytest.mark.slow
def test_a_frozen_endpoint_ends_at_the_timeout() -> None:
    with receive(Answer(-1)) as server:
        mailer = Mailer(**KEYS, sender="s@example.com", endpoint_url=server.url, timeout_seconds=0.2)
        with pytest.raises(MailError, match="SES cannot be reached") as refused:
            mailer.send(["ops@example.com"], "s", "text")
    assert refused.value.temporary


def test_more_recipients_than_ses_takes_are_refused_before_it_is_asked() -> None:
    mailer = Mailer(**KEYS, sender="s@example.com", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(MailError, match="51 recipients"):
        mailer.send([f"u{number}@example.com" for number in range(RECIPIENTS_LIMIT + 1)], "s", "text")
    with pytest.raises(MailError, match="has no recipient"):
        mailer.send([], "s", "text")


def test_addresses_keep_names_with_commas_and_encode_what_is_not_ascii() -> None:
    assert addresses('"Doe, Jane" <j@example.com>, x@example.com;') == [
        '"Doe, Jane" <j@example.com>',
        "x@example.com",
    ]
    assert addresses("Jürgen <j@example.com>") == ["=?utf-8?q?J=C3=BCrgen?= <j@example.com>"]
    assert addresses(None) == addresses(" , ") == []


@pytest.mark.process
def test_importing_the_tools_imports_none_of_their_libraries() -> None:
    tools = "command, email, http, progress, ses, ssh, state"
    script = (
        f"import sys\nimport sauron_jobs_loader.toolkit\nfrom sauron_jobs_loader.toolkit import {tools}\n"
        "heavy = ('boto3', 'botocore', 'cryptography', 'httpx', 'paramiko')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": sys.path[0]},
    )
    assert done.stdout.strip() == "[]"
