"""Each address of SAURON_ALERT_URLS is a channel of its own, with the order and durability of every other."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from chalicelib.alerting.delivery import Delivery
from chalicelib.alerting.messages import channels
from chalicelib.settings import Settings
from chalicelib.store import Store
from tests.conftest import ManualClock

from .conftest import Receiver, no_mail, owe


def chatting(store: Store, clock: ManualClock, *receivers: Receiver) -> tuple[Delivery, tuple[str, ...]]:
    urls = [one.url.replace("http://", "json://ops:hunter22@") for one in receivers]
    settings = Settings.read({"SAURON_ALERT_URLS": "\n".join(urls)})
    return Delivery(store, clock, settings, mailer=no_mail), channels(settings)


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in receiver.accepted]


@pytest.mark.every_store
def test_a_chat_is_told_the_same_in_the_order_of_writing_after_an_outage(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    delivery, (name,) = chatting(store, clock, receiver)
    receiver.answer = lambda _body: 503
    owe(store, clock, "it fails", name, subject="j", kind="failing")
    done = delivery.deliver(name)
    assert (done.sent, done.waiting) == (0, 1)
    assert done.error is not None
    assert "error=503" in done.error
    assert "hunter22" not in done.error
    assert 10 <= done.next_try_in <= 11
    owe(
        store,
        clock,
        "it is right again",
        name,
        type_="job.recovered",
        subject="j",
        kind="failing",
        down_seconds=5,
    )
    assert delivery.deliver(name).sent == 0  # it rests
    receiver.answer = lambda _body: 200
    clock.move(seconds=done.next_try_in)
    assert delivery.deliver(name).sent == 2
    told = bodies(receiver)
    assert [one["title"] for one in told] == [
        "WARNING (SAURON): it fails",
        "INFO (SAURON): it is right again",
    ]
    assert [one["type"] for one in told] == ["warning", "info"]
    assert "no route" in told[0]["message"]
    assert "http://sauron.test/" in told[0]["message"]


def test_one_chat_that_is_down_delays_no_other(store: Store, clock: ManualClock, receiver: Receiver) -> None:
    other = Receiver()
    try:
        delivery, (one, two) = chatting(store, clock, receiver, other)
        receiver.answer = lambda _body: 502
        owe(store, clock, "a", one, two)
        assert [delivery.deliver(name).sent for name in (one, two)] == [0, 1]
        assert [body["title"] for body in bodies(other)] == ["WARNING (SAURON): a"]
    finally:
        other.close()


def test_what_is_refused_for_itself_delays_no_other_and_many_are_one_message(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    delivery, (name,) = chatting(store, clock, receiver)
    receiver.answer = lambda body: 400 if "poison" in body["title"] else 200
    for title in ("poison", "a", "b"):
        owe(store, clock, title, name)
    assert delivery.deliver(name).sent == 2
    for number in range(12):
        owe(store, clock, f"job {number} fails", name)
    assert delivery.deliver(name).sent == 12
    assert len(receiver.accepted) == 3
    assert [f"- job {number} fails" in bodies(receiver)[2]["message"] for number in range(12)] == [True] * 12


def test_a_test_says_what_each_chat_answered(
    store: Store, clock: ManualClock, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    delivery, (name,) = chatting(store, clock, receiver)
    assert delivery.test() == [{"channel": name, "ok": True, "detail": "JSON accepted it"}]
    receiver.answer = lambda _body: 404
    (failed,) = delivery.test()
    assert failed["ok"] is False
    assert "404" in failed["detail"]
    receiver.close()
    (failed,) = delivery.test()
    assert "onnection" in failed["detail"]
    assert "hunter22" not in failed["detail"]
    assert not logging.getLogger("apprise").propagate  # the library's own log goes nowhere
    assert capfd.readouterr() == ("", "")
