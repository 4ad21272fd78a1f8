"""Few alerts are a mail each, many are one, and a mail that is refused delays no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.alerting.delivery import Delivery
from chalicelib.settings import Settings
from chalicelib.store import Store
from tests.conftest import ManualClock

from .conftest import MAIL, Choosy, Receiver, Ses, hooked, mailing, owe

pytestmark = pytest.mark.every_store


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


@pytest.mark.slow
def test_300_alerts_wait_through_an_outage_of_mail_and_become_few_mails(
    store: Store, clock: ManualClock, ses: Ses
) -> None:
    delivery = mailing(store, clock, ses)
    ses.goes_down()
    number, begun = 0, clock.now()
    while number < 300:
        for _ in range(10):
            owe(store, clock, f"job {number:03} is failing", "mail")
            number += 1
        if number % 150 == 0:  # the sender's retries take real seconds
            assert delivery.deliver("mail").sent == 0
        clock.move(minutes=2)
    assert clock.now() - begun == timedelta(hours=1)
    ses.comes_back()
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


def test_an_alert_that_mail_refuses_delays_no_other(store: Store, clock: ManualClock) -> None:
    for number in range(64):
        owe(store, clock, f"job-{number:02}", "mail")
    choosy = Choosy("job-40")
    done = Delivery(store, clock, Settings.read(MAIL), mailer=lambda: choosy).deliver("mail")
    assert (done.sent, done.waiting) == (63, 1)
    assert all(f"job-{number:02}" in "".join(choosy.bodies) for number in range(64) if number != 40)
    assert choosy.tries <= 16


@pytest.mark.slow
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
