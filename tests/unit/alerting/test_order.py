"""Of one subject the last thing told is the last thing true, whatever made its alerts wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.alerting.delivery import CLAIMED, Delivery
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts
from tests.conftest import ManualClock

from .conftest import MAIL, Choosy, Receiver, hooked, owe

pytestmark = pytest.mark.every_store

Tell = Callable[..., None]


@pytest.fixture
def tell(store: Store, clock: ManualClock) -> Tell:
    """Owe an alert about a subject; its title is `subject type`."""

    def owed(subject: str, type_: str, *channels: str, kind: str = "failing", **more: Any) -> None:
        told = {"subject": subject, "kind": kind, **more}
        owe(store, clock, f"{subject} {type_}", *channels, type_=f"job.{type_}", **told)

    return owed


def drain(delivery: Delivery, clock: ManualClock, channel: str = "webhook") -> float:
    """Deliver until nothing waits; return how many seconds that took."""
    begun = clock.monotonic()
    for _ in range(200):
        done = delivery.deliver(channel)
        if not done.waiting:
            return clock.monotonic() - begun
        clock.move(seconds=done.next_try_in + 0.001)
    raise AssertionError(done)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "refusals"), [(500, 1), (500, 2), (500, 9), (400, 1), (307, 2), (503, 1), (429, 3)]
)
def test_a_recovery_waits_for_the_failure_that_was_refused(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell, status: int, refusals: int
) -> None:
    delivery = hooked(store, clock, receiver)
    receiver.answer = lambda _body: status
    tell("j", "failing")
    for _ in range(refusals):
        clock.move(seconds=delivery.deliver("webhook").next_try_in)
        delivery.deliver("webhook")
    tell("j", "recovered")
    tell("k", "failing")
    receiver.got.clear()
    receiver.answer = lambda _body: 204
    drain(delivery, clock)
    assert [title for title in receiver.titles if title[0] == "j"] == ["j failing", "j recovered"]
    assert "k failing" in receiver.titles


def test_what_waits_for_one_subject_delays_no_other_and_no_other_kind(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    delivery = hooked(store, clock, receiver)
    receiver.answer = lambda body: 500 if body["data"]["title"] == "j failing" else 204
    tell("j", "failing")
    delivery.deliver("webhook")
    tell("j", "recovered")
    tell("j", "late", kind="late")
    tell("k", "failing")
    assert delivery.deliver("webhook").sent == 2
    assert receiver.titles == ["j failing", "j late", "k failing"]


def test_what_another_process_is_sending_is_not_overtaken(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    tell("j", "failing")
    with store.write() as tx:
        assert alerts.claim(tx, "webhook", now=clock.now(), until=clock.now() + CLAIMED, most=1)
    tell("j", "recovered")
    delivery = hooked(store, clock, receiver)
    assert delivery.deliver("webhook").sent == 0
    clock.move(minutes=2)  # it died
    assert delivery.deliver("webhook").sent == 2
    assert receiver.titles == ["j failing", "j recovered"]


def test_a_clock_that_is_behind_does_not_turn_them_around(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    tell("j", "failing")
    clock.move(seconds=-90)
    tell("j", "recovered")
    clock.move(seconds=90)
    assert hooked(store, clock, receiver).deliver("webhook").sent == 2
    assert receiver.titles == ["j failing", "j recovered"]


def test_each_channel_has_its_own_order(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    choosy = Choosy("nothing at all")
    settings = Settings.read({"SAURON_ALERT_WEBHOOK_URL": receiver.url, **MAIL})
    delivery = Delivery(store, clock, settings, mailer=lambda: choosy)
    receiver.answer = lambda _body: 500
    tell("j", "failing", "mail", "webhook")
    delivery.deliver("webhook")
    tell("j", "recovered", "mail", "webhook")
    assert delivery.deliver("mail").sent == 2
    assert delivery.deliver("webhook").sent == 0


@pytest.mark.parametrize("others", [0, 4, 20])
def test_a_mail_that_is_refused_holds_back_what_came_later_of_its_subject(
    store: Store, clock: ManualClock, tell: Tell, others: int
) -> None:
    choosy = Choosy("j failing")
    delivery = Delivery(store, clock, Settings.read(MAIL), mailer=lambda: choosy)
    tell("j", "failing", "mail")
    for number in range(others):
        tell(f"k{number}", "failing", "mail")
    tell("j", "recovered", "mail")
    assert delivery.deliver("mail").sent == others
    assert "j recovered" not in "".join(choosy.bodies)
    choosy.refuses = "nothing at all"
    drain(delivery, clock, "mail")
    told = "".join(choosy.bodies)
    assert told.rindex("j failing") < told.rindex("j recovered")


@pytest.mark.slow
def test_what_is_refused_for_ever_gives_way_to_what_is_so_now(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    receiver.answer = lambda body: 413 if "log" in body["data"] else 204
    delivery = hooked(store, clock, receiver)
    tell("j", "failing", log="too long")
    tell("j", "recovered")
    tell("k", "failing")
    assert drain(delivery, clock) < 30 * 60
    assert [title for title in receiver.titles if title[0] == "j"] == ["j failing"] * 5 + ["j recovered"]
    with store.read() as tx:
        assert alerts.waiting(tx) == 0  # the old one is gone
    receiver.answer = lambda _body: 500  # all are refused alike: both wait, in their order
    tell("j", "failing")
    tell("j", "recovered")
    for _ in range(9):
        clock.move(seconds=delivery.deliver("webhook").next_try_in + 0.001)
    receiver.answer = lambda _body: 204
    receiver.got.clear()
    drain(delivery, clock)
    assert receiver.titles == ["j failing", "j recovered"]


def test_missed_occurrences_are_events_and_none_waits_for_another(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    receiver.answer = lambda _body: 500
    delivery = hooked(store, clock, receiver)
    tell("j", "missed", kind="missed")
    delivery.deliver("webhook")
    receiver.answer = lambda _body: 204
    tell("j", "missed", kind="missed")
    assert delivery.deliver("webhook").sent == 1


def test_the_last_state_told_is_true_under_any_mix_of_refusals(
    store: Store, clock: ManualClock, receiver: Receiver, tell: Tell
) -> None:
    answers = iter([500, 204, 429, 500, 503, 400, 204, 502, 500, 204, 429, 204])
    receiver.answer = lambda _body: next(answers, 204)
    delivery = hooked(store, clock, receiver)
    for word in ("failing", "recovered", "failing", "recovered"):
        for subject in "abc":
            tell(subject, word)
        delivery.deliver("webhook")
        clock.move(seconds=7)
    drain(delivery, clock)
    bodies = [json.loads(body)["data"] for _, body in receiver.accepted]
    facts = [one["data"] for body in bodies for one in body.get("alerts", [{"data": body}])]
    for subject in "abc":
        mine = [one["title"].partition(" ")[2] for one in facts if one["subject"] == subject]
        assert mine == ["failing", "recovered"] * 2
