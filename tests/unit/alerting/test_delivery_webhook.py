"""How a webhook is posted, and what is said when it cannot be."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from chalicelib.store import Store, alerts
from tests.conftest import ManualClock

from .conftest import KEY, Receiver, hooked, owe

pytestmark = pytest.mark.every_store


def test_a_webhook_is_signed_as_standard_webhooks_says(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "j is failing — ☠")
    assert hooked(store, clock, receiver).deliver("webhook").sent == 1
    [(headers, body)] = receiver.got
    said = json.loads(body)
    assert (said["type"], said["timestamp"], said["data"]["job_id"]) == (
        "job.failing",
        "2026-03-02T12:00:30Z",
        "j",
    )
    assert headers["webhook-id"].startswith("msg_")
    assert int(headers["webhook-timestamp"]) == int(clock.now().timestamp())
    written = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    expected = base64.b64encode(hmac.digest(KEY, written, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"] == "application/json"


def test_without_a_secret_a_webhook_is_not_signed(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a")
    hooked(store, clock, receiver, SAURON_ALERT_WEBHOOK_SECRET="").deliver("webhook")
    assert "webhook-signature" not in receiver.got[0][0]


def test_a_redirect_is_not_followed(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    owe(store, clock, "a")
    receiver.answer = lambda _body: 307
    assert hooked(store, clock, receiver).deliver("webhook").sent == 0
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {"SAURON_ALERT_WEBHOOK_URL": "https://hooks..example.test/x"},
        {"SSL_CERT_FILE": "/nonexistent"},
        {"ALL_PROXY": "socks5://127.0.0.1:1"},
        {"HTTPS_PROXY": "ftp://127.0.0.1:1", "HTTP_PROXY": "ftp://127.0.0.1:1"},
    ],
)
def test_an_outside_that_cannot_even_be_asked_delays_alerts_and_raises_nothing(
    store: Store,
    clock: ManualClock,
    receiver: Receiver,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    owe(store, clock, "a")
    delivery = hooked(store, clock, receiver, **environ)
    done = delivery.deliver("webhook")
    assert (done.sent, done.waiting) == (0, 1)
    assert done.error
    assert [one["ok"] for one in delivery.test()] == [False]


def test_an_error_names_the_host_and_nothing_else_of_the_address(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a")
    delivery = hooked(store, clock, receiver)
    receiver.close()
    error = delivery.deliver("webhook").error
    with store.read() as tx:
        kept = alerts.last_error(tx)
    assert error
    assert kept
    assert "127.0.0.1" in error
    assert "hiddenpath" not in error + kept + str(delivery.test())
