"""A receiver is asked as seldom as it says, and a storm of alerts is one message to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.store import Store
from tests.conftest import ManualClock

from .conftest import Receiver, hooked, owe
from .test_order import drain

pytestmark = pytest.mark.every_store


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_receiver_that_says_how_long_is_left_alone_exactly_so_long(
    store: Store, clock: ManualClock, receiver: Receiver, status: int
) -> None:
    receiver.answer, receiver.headers = lambda _body: status, {"Retry-After": "3"}
    for title in "abc":
        owe(store, clock, title)
    delivery = hooked(store, clock, receiver)
    for _ in range(4):
        assert delivery.deliver("webhook").next_try_in == 3
        clock.move(seconds=2.9)
        hooked(store, clock, receiver).deliver("webhook")  # another process obeys, too
        clock.move(seconds=0.1)
    assert len(receiver.got) == 4
    receiver.answer = lambda _body: 204
    assert delivery.deliver("webhook").sent == 3


def test_an_alert_that_is_refused_for_itself_waits_as_long_as_the_receiver_says(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answer, receiver.headers = lambda _body: 500, {"Retry-After": "77"}
    owe(store, clock, "a")
    assert hooked(store, clock, receiver).deliver("webhook").next_try_in == 77


def test_fifty_failures_at_once_are_told_in_seconds_to_a_receiver_of_one_a_second(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    last = [float("-inf")]

    def one_a_second(_body: Any) -> int:
        if clock.monotonic() - last[0] < 1:
            return 429
        last[0] = clock.monotonic()
        return 204

    receiver.answer, receiver.headers = one_a_second, {"Retry-After": "3"}
    for number in range(50):
        owe(store, clock, f"job-{number:02} is failing", job_id=f"job-{number:02}")
    assert drain(hooked(store, clock, receiver), clock) < 10
    assert len(receiver.accepted) <= 3
    first, second = (json.loads(body) for _, body in receiver.accepted)
    assert (first["type"], first["data"]["job_id"]) == ("job.failing", "job-00")
    assert (second["type"], second["data"]["job_id"], second["data"]["count"]) == ("alerts.several", None, 49)
    assert second["data"]["title"].startswith("49 alerts: job-01 is failing, job-02 is failing")
    told = second["data"]["alerts"]
    assert [(one["type"], one["data"]["job_id"]) for one in told] == [
        ("job.failing", f"job-{number:02}") for number in range(1, 50)
    ]
    assert all(one["id"].startswith("msg_") and one["timestamp"] for one in told)
    owe(store, clock, "later")
    clock.move(seconds=60)
    assert hooked(store, clock, receiver).deliver("webhook").sent == 1
    assert json.loads(receiver.accepted[-1][1])["type"] == "job.failing"


def test_a_message_about_several_keeps_its_id_and_is_halved_until_the_alert_at_fault_is_alone(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    receiver.answer, receiver.headers = lambda _body: 429, {"Retry-After": "2"}
    for number in range(20):
        owe(store, clock, f"job-{number:02}")
    delivery = hooked(store, clock, receiver)
    for _ in range(3):
        clock.move(seconds=delivery.deliver("webhook").next_try_in)
    assert len({headers["webhook-id"] for headers, _ in receiver.got[1:]}) == 1
    receiver.answer = lambda body: 413 if "job-07" in json.dumps(body) else 204
    done = delivery.deliver("webhook")
    assert (done.sent, done.waiting) == (19, 1)


def test_without_such_an_answer_each_alert_is_a_post(
    store: Store, clock: ManualClock, receiver: Receiver
) -> None:
    for number in range(20):
        owe(store, clock, f"job-{number:02}")
    assert hooked(store, clock, receiver).deliver("webhook").sent == 20
    assert len(receiver.accepted) == 20
