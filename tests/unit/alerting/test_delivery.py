"""Waiting alerts are tried until they are delivered, by one sender each."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from chalicelib.alerting.delivery import Delivery, delay
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts
from tests.conftest import ManualClock

from .conftest import MAIL, Choosy, Receiver, Ses, hooked, owe

pytestmark = pytest.mark.every_store


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_test_goes_through_every_channel_at_once_past_the_table(
    store: Store, clock: ManualClock, receiver: Receiver, ses: Ses
) -> None:
    settings = Settings.read({"SAURON_ALERT_WEBHOOK_URL": receiver.url, **MAIL})
    said = Delivery(store, clock, settings, mailer=ses.mailer).test()
    assert [(one["channel"], one["ok"]) for one in said] == [("mail", True), ("webhook", True)]
    assert ses.subjects == ["INFO (SAURON): This is a test"]
    assert json.loads(receiver.got[0][1])["type"] == "test"
    with store.read() as tx:
        assert alerts.waiting(tx) == 0
    receiver.answer = lambda _body: 404
    said = Delivery(store, clock, settings, mailer=lambda: Choosy("")).test()
    assert [(one["channel"], one["ok"]) for one in said] == [("mail", False), ("webhook", False)]


def test_a_delay_is_the_same_whenever_it_is_asked_for_and_spread_over_alerts() -> None:
    assert delay(0, "a") == delay(0, "a") != delay(0, "b")
    assert delay(99, "a") >= timedelta(minutes=30)
