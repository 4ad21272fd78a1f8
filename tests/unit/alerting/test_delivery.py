from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from chalicelib.alerting.delivery import Delivery, delay
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts
from sauron_jobs_loader.toolkit.ses import Mailer
from tests.conftest import ManualClock

pytestmark = pytest.mark.every_store

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MAIL = {
    "ALERT_EMAIL": "ops@x.test",
    "FROM_EMAIL": "sauron@x.test",
    "AWS_SES_ACCESS_KEY_ID": "AKIAEXAMPLE00000",
    "AWS_SES_SECRET_ACCESS_KEY": "verysecretverysecret",
}


class Receiver:
    """A webhook's other end. `answer` chooses the status for a body."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda _body: 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.answer(json.loads(body)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/hiddenpath"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    @property
    def titles(self) -> list[str]:
        return [json.loads(body)["data"]["title"] for _, body in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class Ses:
    """Amazon SES, as moto's server keeps it; `down` is an address where nobody listens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.at = url
        self.reset()

    def reset(self) -> None:
        self.at = self.url
        httpx.post(f"{self.url}/moto-api/reset", timeout=30, trust_env=False)
        self._client().verify_email_identity(EmailAddress="sauron@x.test")

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "ses",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id="k",
            aws_secret_access_key="s",
        )

    def goes_down(self) -> None:
        self.at = "http://127.0.0.1:9"

    def comes_back(self) -> None:
        self.at = self.url

    @property
    def _sent(self) -> list[Any]:
        from moto.ses.models import ses_backends

        return list(ses_backends["123456789012"]["us-east-1"].sent_messages)

    @property
    def subjects(self) -> list[str]:
        return [message.subject for message in self._sent]

    @property
    def bodies(self) -> list[str]:
        return [message.body for message in self._sent]

    def mailer(self) -> Mailer:
        return Mailer(
            region="us-east-1",
            access_key="k",
            secret_key="s",
            sender="sauron@x.test",
            endpoint_url=self.at,
            timeout_seconds=5,
        )


@pytest.fixture(scope="module")
def ses_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ses(ses_server: str) -> Ses:
    return Ses(ses_server)


def no_mail() -> Any:
    raise AssertionError


def owe(store: Store, clock: ManualClock, title: str, *channels: str, type_: str = "job.failing") -> None:
    data = {
        "title": title,
        "reason": "no route",
        "job_id": "j",
        "link": "http://sauron.test/",
        "log_tail": "the end",
        "since": "x",
    }
    with store.write() as tx:
        alerts.put(tx, channels or ("webhook",), type_, data, now=clock.now())


def hooked(store: Store, clock: ManualClock, receiver: Receiver, **environ: str) -> Delivery:
    settings = Settings.read(
        {"SAURON_ALERT_WEBHOOK_URL": receiver.url, "SAURON_ALERT_WEBHOOK_SECRET": SECRET, **environ}
    )
    return Delivery(store, clock, settings, mailer=no_mail)


def mailing(store: Store, clock: ManualClock, ses: Ses) -> Delivery:
    return Delivery(store, clock, Settings.read(MAIL), mailer=ses.mailer)


# -- webhook


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


def test_a_refused_webhook_is_tried_again_under_its_id_ever_more_seldom_and_for_ever(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a")
    delivery = hooked(store, clock, receiver)
    receiver.answer = lambda _body: 503
    waits = []
    for _ in range(8):
        assert delivery.deliver("webhook").error == "127.0.0.1 answered 503"
        again = delivery.deliver("webhook")
        assert again.error is None  # not before its time
        waits.append(again.next_try_in)
        clock.move(seconds=waits[-1])
    bases = [10, 60, 300, 900, 1800, 1800, 1800, 1800]
    assert all(base <= wait <= 1.1 * base for base, wait in zip(bases, waits, strict=True))
    receiver.answer = lambda _body: 200
    done = delivery.deliver("webhook")
    assert (done.sent, done.waiting) == (1, 0)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.got}) == 9
    assert delivery.deliver("webhook").sent == 0


def test_a_redirect_is_not_followed(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    owe(store, clock, "a")
    receiver.answer = lambda _body: 307
    assert hooked(store, clock, receiver).deliver("webhook").sent == 0
    assert len(receiver.got) == 1


def test_an_alert_that_is_refused_for_itself_delays_no_other(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answer = lambda body: 400 if body["data"]["title"] == "poison" else 204
    delivery = hooked(store, clock, receiver)
    for title in ("poison", "a", "b"):
        owe(store, clock, title)
    assert (delivery.deliver("webhook").sent, sorted(receiver.titles)) == (2, ["a", "b", "poison"])
    clock.move(seconds=20)
    owe(store, clock, "c")
    assert delivery.deliver("webhook").sent == 1
    assert sorted(receiver.titles[3:]) == ["c", "poison"]


def test_what_was_written_first_is_told_first_after_an_outage(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answer = lambda _body: 503
    delivery = hooked(store, clock, receiver)
    owe(store, clock, "it fails")
    for _ in range(3):
        clock.move(seconds=delivery.deliver("webhook").next_try_in)
    owe(store, clock, "it is right again")
    receiver.got.clear()
    receiver.answer = lambda _body: 204
    assert delivery.deliver("webhook").sent == 2
    assert receiver.titles == ["it fails", "it is right again"]


def test_a_new_alert_does_not_ask_a_channel_that_rests(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answer = lambda _body: 503
    delivery = hooked(store, clock, receiver)
    for number in range(6):
        owe(store, clock, str(number))
        delivery.deliver("webhook")
        clock.move(seconds=1)
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


def test_a_receiver_that_cannot_be_reached_is_asked_once_and_nothing_is_lost(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    for number in range(20):
        owe(store, clock, str(number))
    receiver.answer = lambda _body: 502
    delivery = hooked(store, clock, receiver)
    assert delivery.deliver("webhook").waiting == 20
    clock.move(seconds=5)
    assert delivery.deliver("webhook").waiting == 20  # the others wait as long as the one that was tried
    assert len(receiver.got) == 1
    receiver.answer = lambda _body: 204
    clock.move(seconds=12)
    assert delivery.deliver("webhook").sent == 20
    assert sorted(receiver.titles[1:]) == sorted(map(str, range(20)))


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


def test_two_that_deliver_at_once_send_each_alert_once(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    for number in range(40):
        owe(store, clock, str(number))
    threads = [
        threading.Thread(target=hooked(store, clock, receiver).deliver, args=("webhook",)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receiver.titles) == sorted(map(str, range(40)))


def test_an_alert_claimed_by_a_process_that_died_is_sent_by_another_after_two_minutes(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a")
    with store.write() as tx:
        assert alerts.claim(tx, "webhook", now=clock.now(), until=clock.now() + timedelta(minutes=2), most=1)
    delivery = hooked(store, clock, receiver)
    assert delivery.deliver("webhook").sent == 0
    clock.move(minutes=2)
    assert delivery.deliver("webhook").sent == 1


def test_alerts_for_a_channel_that_is_no_longer_configured_are_kept_and_disturb_nobody(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a", "mail", "webhook")
    done = hooked(store, clock, receiver).deliver("webhook")
    assert (done.sent, done.waiting, done.next_try_in) == (1, 0, float("inf"))
    with store.read() as tx:
        assert alerts.waiting(tx) == 1


def test_what_was_delivered_is_pruned_and_what_waits_is_not(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a", "mail", "webhook")
    hooked(store, clock, receiver).deliver("webhook")
    with store.write() as tx:
        assert alerts.prune(tx, before=clock.now(), most=10) == 0
        assert alerts.prune(tx, before=clock.now() + timedelta(days=30), most=10) == 1
        assert alerts.waiting(tx) == 1


# -- mail


def test_a_mail_says_what_is_wrong(store: Store, clock: ManualClock, ses: Ses) -> None:
    owe(store, clock, "j is failing", "mail")
    assert mailing(store, clock, ses).deliver("mail").sent == 1
    assert ses.subjects == ["WARNING (SAURON): j is failing"]
    assert "the end" in ses.bodies[0]


def test_few_alerts_are_a_mail_each_and_many_are_one(store: Store, clock: ManualClock, ses: Ses) -> None:
    for number in range(5):
        owe(store, clock, f"job {number} is failing", "mail")
    delivery = mailing(store, clock, ses)
    assert delivery.deliver("mail").sent == 5
    assert sorted(ses.subjects) == [f"WARNING (SAURON): job {number} is failing" for number in range(5)]
    for number in range(12):
        owe(store, clock, f"job {number} recovered", "mail")
    assert delivery.deliver("mail").sent == 12
    assert len(ses.subjects) == 6
    assert ses.subjects[5].startswith("WARNING (SAURON): 12 alerts: job ")


def test_300_alerts_wait_through_an_outage_of_mail_and_become_few_mails(
    store: Store, clock: ManualClock, ses: Ses
) -> None:
    delivery = mailing(store, clock, ses)
    ses.goes_down()
    delivery._mailer = lambda: Mailer(
        region="us-east-1",
        access_key="k",
        secret_key="s",
        sender="sauron@x.test",
        endpoint_url=ses.at,
        timeout_seconds=0.2,
    )
    number, begun = 0, clock.now()
    while number < 300:
        for _ in range(10):
            owe(store, clock, f"job {number:03} is failing", "mail")
            number += 1
        if number % 60 == 0:  # the sender's retries take real seconds
            assert delivery.deliver("mail").sent == 0
        clock.move(minutes=2)
    assert clock.now() - begun == timedelta(hours=1)
    ses.comes_back()
    delivery._mailer = ses.mailer
    sent = 0
    while sent < 300:
        done = delivery.deliver("mail")
        sent += done.sent
        assert done.waiting or sent == 300, (sent, done)
        clock.move(seconds=0 if done.waiting == 0 else done.next_try_in + 0.001)  # less moves no clock
    assert sent == 300
    text = "".join(ses.bodies)
    assert all(f"job {number:03} is failing" in text for number in range(300))
    assert len(ses.subjects) <= 5


class Choosy:
    """SES that refuses mails about some word for good, or all of them."""

    def __init__(self, refuses: str) -> None:
        self.refuses = refuses
        self.subjects: list[str] = []
        self.bodies: list[str] = []
        self.tries = 0

    def send(self, _to: Any, subject: str, text: str, _html: str | None = None, *, reply_to: Any = ()) -> str:  # noqa: ARG002 - SES's signature
        self.tries += 1
        if self.refuses in text:
            raise RefusedError
        self.subjects.append(subject)
        self.bodies.append(text)
        return "1"


class RefusedError(Exception):
    temporary = False


def test_an_alert_that_mail_refuses_delays_no_other(store: Store, clock: ManualClock) -> None:
    for number in range(64):
        owe(store, clock, f"job-{number:02}", "mail")
    choosy = Choosy("job-40")
    done = Delivery(store, clock, Settings.read(MAIL), mailer=lambda: choosy).deliver("mail")
    assert (done.sent, done.waiting) == (63, 1)
    assert all(f"job-{number:02}" in "".join(choosy.bodies) for number in range(64) if number != 40)
    assert choosy.tries <= 16


def test_when_mail_refuses_everything_it_is_soon_left_alone(store: Store, clock: ManualClock) -> None:
    for number in range(300):
        owe(store, clock, f"job-{number}", "mail")
    choosy = Choosy("job")
    done = Delivery(store, clock, Settings.read(MAIL), mailer=lambda: choosy).deliver("mail")
    assert (done.sent, done.waiting) == (0, 300)
    assert done.next_try_in >= 10
    assert choosy.tries <= 12


def test_mail_that_refused_everything_waits_as_a_whole_and_then_the_oldest_goes_first(
    store: Store, clock: ManualClock
) -> None:
    for number in range(3):
        owe(store, clock, f"job-{number}", "mail")
        clock.move(milliseconds=1)
    choosy = Choosy("job")
    delivery = Delivery(store, clock, Settings.read(MAIL), mailer=lambda: choosy)
    done = delivery.deliver("mail")
    tries = choosy.tries
    owe(store, clock, "job-late", "mail")
    clock.move(seconds=done.next_try_in - 1)
    delivery.deliver("mail")
    assert choosy.tries == tries  # a new alert overtakes nobody
    choosy.refuses = "nothing at all"
    clock.move(seconds=2)
    assert delivery.deliver("mail").sent == 4
    assert [subject.rpartition("job-")[2].partition(" ")[0] for subject in choosy.subjects] == [
        "0",
        "1",
        "2",
        "late",
    ]


def test_a_mailer_that_cannot_be_made_delays_mail_only(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    owe(store, clock, "a", "mail", "webhook")
    delivery = hooked(store, clock, receiver, **MAIL)
    done = delivery.deliver("mail")
    assert (done.sent, done.waiting) == (0, 1)
    assert done.error == "mail cannot be sent (AssertionError)"
    assert delivery.deliver("webhook").sent == 1


# -- tests and delays


def test_a_test_goes_through_every_channel_at_once_past_the_table(
    store: Store, clock: ManualClock, receiver: Receiver, ses: Ses
) -> None:
    settings = Settings.read({"SAURON_ALERT_WEBHOOK_URL": receiver.url, **MAIL})
    delivery = Delivery(store, clock, settings, mailer=ses.mailer)
    said = delivery.test()
    assert [(one["channel"], one["ok"]) for one in said] == [("mail", True), ("webhook", True)]
    assert ses.subjects == ["INFO (SAURON): This is a test"]
    assert json.loads(receiver.got[0][1])["type"] == "test"
    with store.read() as tx:
        assert alerts.waiting(tx) == 0
    receiver.answer = lambda _body: 404
    delivery._mailer = lambda: Choosy("")
    assert [(one["channel"], one["ok"]) for one in delivery.test()] == [("mail", False), ("webhook", False)]


def test_a_delay_is_the_same_whenever_it_is_asked_for_and_spread_over_alerts() -> None:
    assert delay(0, "a") == delay(0, "a") != delay(0, "b")
    assert delay(99, "a") >= timedelta(minutes=30)
