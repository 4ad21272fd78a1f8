"""Every address that a secret is sent to has a certificate that is verified, or gets nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from chalicelib.alerting import chat, webhook
from chalicelib.alerting.refusal import RefusedError
from chalicelib.errors import SauronError
from chalicelib.maintenance import dead_mans_switch
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert
from sauron.cli.client import Client
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.git.source import GitSource
from sauron_jobs_loader.git.without_git.source import DulwichSource
from sauron_jobs_loader.toolkit import http
from sauron_jobs_loader.toolkit.mail_message import MailError
from sauron_jobs_loader.toolkit.ses import Mailer
from sauron_jobs_loader.toolkit.smtp import SmtpMailer
from tests import tls_servers
from tests.tls_servers import Authority, Door

ROOT = Authority.make()
SECRET = "a-token-of-no-one"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAST = datetime(2021, 1, 1, tzinfo=UTC)
# each way that other programs know to name the roots that are trusted
TRUSTED = ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE")


def by_webhook(url: str, _folder: Path) -> None:
    settings = Settings.read({**os.environ, "SAURON_ALERT_WEBHOOK_URL": f"{url}/{SECRET}"})
    alert = Alert("1", "webhook", "job.failing", {}, NOW)
    with webhook.open_client(settings) as client:
        webhook.post(client, alert, settings, now=NOW)


def by_heartbeat(url: str, _folder: Path) -> None:
    if reason := dead_mans_switch.ping(f"{url}/{SECRET}"):
        raise SauronError(reason)


def by_command_line(url: str, _folder: Path) -> None:
    with contextlib.closing(Client(url=url, token=SECRET)) as client:
        client.get("/status")


def by_job(url: str, _folder: Path) -> None:
    with http.client(token=SECRET, retries=0) as client:
        client.get(url)


def by_git(url: str, folder: Path) -> None:
    GitSource(f"{url}/a/b.git", root=folder, token=SECRET, timeout=timedelta(seconds=20)).fetch()


def by_git_on_lambda(url: str, folder: Path) -> None:
    DulwichSource(f"{url}/a/b.git", root=folder, token=SECRET, timeout=timedelta(seconds=20)).fetch()


def by_mail(url: str, _folder: Path) -> None:
    mailer = Mailer(
        region="us-east-1",
        access_key=SECRET,
        secret_key=SECRET,
        sender="a@example.org",
        endpoint_url=url,
    )
    mailer.send(["b@example.org"], "subject", "body", None)


WAYS = [by_webhook, by_heartbeat, by_command_line, by_job, by_git, by_git_on_lambda, by_mail]


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A server whose root nobody trusts, in an environment that asks not to verify."""
    for name in (*TRUSTED, *os.environ):
        if name in TRUSTED or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name, raising=False)
    (tmp_path / ".gitconfig").write_text("[http]\n\tsslVerify = false\n", encoding="utf-8")
    for name in ("GIT_SSL_NO_VERIFY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setenv("HOME", str(tmp_path))
    made = tls_servers.https(ROOT.context(tmp_path, "localhost"))
    yield made
    made.close()


@pytest.mark.parametrize("send", WAYS, ids=lambda way: way.__name__)
def test_an_unknown_certificate_gets_nothing_and_a_known_one_everything(
    send: Callable[[str, Path], None], door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://localhost:{door.port}"
    with pytest.raises((SauronError, LoaderError, RefusedError, httpx.TransportError)):
        send(url, tmp_path / "one")
    assert door.heard == b""
    (tmp_path / "root.pem").write_text(ROOT.pem, encoding="utf-8")
    for name in TRUSTED:
        monkeypatch.setenv(name, str(tmp_path / "root.pem"))
    with contextlib.suppress(SauronError, LoaderError):  # it answers, but not as git or SES does
        send(url, tmp_path / "two")
    assert b"HTTP/1.1" in door.heard


def test_a_certificate_of_another_host_gets_nothing(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is for localhost; 127.0.0.1 is another name."""
    for name in TRUSTED:
        monkeypatch.setenv(name, str(tmp_path / "root.pem"))
    (tmp_path / "root.pem").write_text(ROOT.pem, encoding="utf-8")
    for number, send in enumerate(WAYS):
        with pytest.raises((SauronError, LoaderError, RefusedError, httpx.TransportError)):
            send(f"https://127.0.0.1:{door.port}", tmp_path / str(number))
    assert door.heard == b""


def by_chat(url: str, _folder: Path) -> None:
    settings = Settings.read({**os.environ, "SAURON_ALERT_URLS": f"{url.replace('https', 'jsons')}/{SECRET}"})
    (service,) = settings.alert_urls or ()
    chat.send(chat.open_service(service.name, settings), [Alert("1", "x", "job.failing", {}, NOW)], settings)


def by_smtp(url: str, _folder: Path) -> None:
    address = url.replace("https://", f"smtps://ops:{SECRET}@")
    SmtpMailer(address, sender="a@example.org").send(["b@example.org"], "subject", "body")


def tls_1_0(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def without_tls(door: Door, wire: socket.socket) -> None:
    wire.recv(65536)
    wire.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("send", [by_webhook, by_heartbeat, by_chat, by_smtp], ids=lambda way: way.__name__)
def test_each_channel_says_why_tls_failed_and_what_to_do_without_a_secret(
    send: Callable[[str, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*TRUSTED, "REQUESTS_CA_BUNDLE", *os.environ):
        if name in TRUSTED or name == "REQUESTS_CA_BUNDLE" or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name, raising=False)
    mine = ROOT.context
    (tmp_path / "root.pem").write_text(ROOT.pem, encoding="utf-8")
    for trusted, door, said in (
        (
            False,
            tls_servers.https(mine(tmp_path, "localhost")),
            "name its file in .*_(FILE|BUNDLE)",
        ),
        (True, tls_servers.https(mine(tmp_path, "localhost", until=PAST)), "expired; .* has to renew it"),
        (True, tls_servers.https(mine(tmp_path, "other.test")), "for another host; write the host"),
        (True, tls_servers.https(tls_1_0(mine(tmp_path, "localhost"))), "before 1.2, .* update it"),
        (True, Door(without_tls), "does not begin with TLS at this port; write"),
    ):
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            if trusted:
                monkeypatch.setenv(name, str(tmp_path / "root.pem"))
        with pytest.raises((SauronError, RefusedError, MailError), match=said) as refused:
            send(f"https://localhost:{door.port}", tmp_path)
        assert SECRET not in str(refused.value)
        door.close()
