"""Which answers of a receiver are about the receiver, and which about the alert."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from chalicelib.alerting import webhook
from chalicelib.alerting.messages import test_facts as facts_of_a_test
from chalicelib.alerting.refusal import RefusedError
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert
from tests.http_receiver import dripping

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "whole_channel"),
    [
        (408, True),
        (429, True),
        (502, True),
        (503, True),
        (504, True),
        (400, False),
        (404, False),
        (413, False),
    ],
)
def test_only_an_overloaded_receiver_stops_the_whole_channel(status: int, whole_channel: bool) -> None:
    settings = Settings.read({"SAURON_ALERT_WEBHOOK_URL": "http://receiver.test/path"})
    facts = facts_of_a_test(settings, NOW)
    alert = Alert("a1", "webhook", "test", facts, NOW)
    transport = httpx.MockTransport(lambda _request: httpx.Response(status))
    with httpx.Client(transport=transport) as client, pytest.raises(RefusedError) as refused:
        webhook.post(client, alert, settings, now=NOW)
    assert refused.value.channel is whole_channel


def test_a_receiver_that_moved_is_told_as_such_without_its_new_address() -> None:
    settings = Settings.read({"SAURON_ALERT_WEBHOOK_URL": "https://receiver.test/old"})
    alert = Alert("a1", "webhook", "test", facts_of_a_test(settings, NOW), NOW)
    moved = httpx.Response(308, headers={"Location": "https://receiver.test/hiddentoken"})
    transport = httpx.MockTransport(lambda _request: moved)
    with httpx.Client(transport=transport) as client, pytest.raises(RefusedError) as refused:
        webhook.post(client, alert, settings, now=NOW)
    assert str(refused.value) == (
        "receiver.test answered 308, which leads elsewhere and is not followed; write the address to which "
        "it leads"
    )


def test_a_receiver_whose_answer_never_ends_is_given_up() -> None:
    with dripping() as url:
        settings = Settings.read({"SAURON_ALERT_WEBHOOK_URL": f"{url}/path"})
        alert = Alert("a1", "webhook", "test", facts_of_a_test(settings, NOW), NOW)
        with webhook.open_client(settings) as client, pytest.raises(RefusedError) as refused:
            webhook.post(client, alert, settings, now=NOW, seconds=0.1)
    assert str(refused.value) == "127.0.0.1: no answer within 0.1 s"
    assert refused.value.channel


def asked_to_wait(text: str | None, date: str | None = None) -> float | None:
    rest = webhook.retry_after(text, date, now=NOW)
    return None if rest is None else rest.total_seconds()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        (" 120 ", 120),
        ("2.5", 2.5),
        ("0", 1),
        ("86400", 3600),
        ("9" * 400, 3600),
        ("Thu, 01 Jan 2026 00:01:30 GMT", 90),
        ("Thursday, 01-Jan-26 00:01:30 GMT", 90),
        ("Thu Jan  1 00:01:30 2026", 90),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 1),
        ("Fri, 01 Jan 2027 00:00:00 GMT", 3600),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
        ("\u0663", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_is_bounded(
    text: str | None, seconds: float | None
) -> None:
    assert asked_to_wait(text) == seconds


def test_a_date_is_read_by_the_clock_of_the_receiver() -> None:
    date, until = "Thu, 01 Jan 2026 05:00:00 GMT", "Thu, 01 Jan 2026 05:00:07 GMT"
    assert asked_to_wait(until, date) == 7
    assert asked_to_wait(until, "gibberish") == 3600
