"""`zerg.shared.email`: subjects, levels and replies are what they were."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from sauron_jobs_loader.compat.zerg import shared
from sauron_jobs_loader.compat.zerg.shared.email import (
    send_alert_email,
    send_digest_email,
    send_email,
    send_job_failure_alert,
    send_reply_email,
)

ORIGINAL = "<0100-a@email.amazonses.com>"


@pytest.fixture(scope="module")
def ses() -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host.replace('0.0.0.0', '127.0.0.1')}:{port}"  # noqa: S104 - where it says that it listens
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    known = boto3.client("ses", region_name="us-east-1", endpoint_url=url, **keys)
    known.verify_email_identity(EmailAddress="sauron@example.com")
    known.close()
    yield url
    server.stop()


@pytest.fixture(autouse=True)
def _settings(ses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": ses,
        "AWS_SES_ACCESS_KEY_ID": "AKIAMADEUP",
        "AWS_SES_SECRET_ACCESS_KEY": "made/up/secret",
        "FROM_EMAIL": "sauron@example.com",
        "NOTIFY_EMAIL": "ops@example.com",
        "ALERT_EMAIL": "alerts@example.com",
        "DIGEST_EMAIL": "digests@example.com",
        "JOB_SCHEDULER_NAME": "elrond",
    }.items():
        monkeypatch.setenv(name, value)


def newest() -> Any:
    from moto.ses.models import ses_backends

    return ses_backends["123456789012"]["us-east-1"].sent_messages[-1]


def sent() -> list[object]:
    last = newest()
    return [last.subject, *last.destinations["ToAddresses"]]


def reply() -> tuple[Message, set[str]]:
    last = newest()
    return email.message_from_string(last.raw_data), set(last.destinations)


def test_subjects_begin_as_they_did_whatever_the_scheduler_is_called() -> None:
    assert send_email("as it is", "body")
    assert sent() == ["as it is", "ops@example.com"]
    assert send_alert_email("disk full", "body", level="critical")
    assert sent() == ["CRITICAL (ZERG): disk full", "alerts@example.com"]
    assert send_alert_email("disk nearly full", "body")
    assert sent() == ["WARNING (ZERG): disk nearly full", "alerts@example.com"]
    assert send_digest_email(
        "Monday", "body", "<p>body</p>", alert_type="digest", job_id="j", metadata={"a": 1}
    )
    assert sent() == ["ZERG DIGEST: Monday", "digests@example.com"]


def test_a_failed_job_is_told_as_a_warning_with_its_error() -> None:
    assert send_job_failure_alert("backup", "no route to host")
    assert sent() == ["WARNING (ZERG): Job failed: backup", "alerts@example.com"]
    body = newest().body
    assert "Job ID: backup\nError: no route to host\n" in body


def test_a_reply_joins_the_thread_of_the_mail_it_answers() -> None:
    assert send_reply_email("ann@example.com", "Re: größer", "Better now: grün", ORIGINAL)
    message, to = reply()
    assert to == {"ann@example.com"}
    assert str(email.header.make_header(email.header.decode_header(message["Subject"]))) == "Re: größer"
    assert (message["From"], message["To"]) == ("sauron@example.com", "ann@example.com")
    assert (message["In-Reply-To"], message["References"]) == (ORIGINAL, ORIGINAL)
    payload = message.get_payload(0) if message.is_multipart() else message
    assert isinstance(payload, Message)
    text = payload.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().strip() == "Better now: grün"
    chain = f"<first@example.com> {ORIGINAL}"
    assert send_reply_email("ann@example.com", "Re: x", "b", ORIGINAL, references=chain)
    assert reply()[0]["References"] == chain


def test_a_reply_has_no_header_that_its_caller_did_not_mean() -> None:
    assert send_reply_email(
        "ann@example.com", "Re: x\r\nBcc: all@example.com", "b", f"{ORIGINAL}\r\nBcc: x@y.z"
    )
    message, to = reply()
    assert (message["Bcc"], to) == (None, {"ann@example.com"})
    assert message["Subject"] == "Re: x Bcc: all@example.com"


def test_a_reply_that_cannot_be_sent_is_none_with_the_reason_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FROM_EMAIL", "stranger@example.org")
    assert send_reply_email("ann@example.com", "Re: x", "b", ORIGINAL) is None
    assert "SES replied MessageRejected" in caplog.text
    monkeypatch.delenv("FROM_EMAIL")
    assert send_reply_email("ann@example.com", "Re: x", "b", ORIGINAL) is None
    assert "it lacks a sender" in caplog.text


def test_secrets_are_masked_in_replies_too() -> None:
    assert send_reply_email("ann@example.com", "Re: made/up/secret", "it is made/up/secret", ORIGINAL)
    message, _ = reply()
    assert "made/up/secret" not in str(message)


def test_the_package_offers_what_it_offered() -> None:
    for name in ("send_email", "send_alert_email", "send_digest_email"):
        assert getattr(shared, name).__module__.endswith("zerg.shared.email") or name == "send_email"
    assert shared.run_ssh_command.__module__.endswith("zerg.shared.ssh")
    assert {"SSHResult", "test_ssh_connection"} <= set(shared.__all__)
