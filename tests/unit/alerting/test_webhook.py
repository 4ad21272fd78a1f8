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
