"""What a mail channel says when it cannot send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from chalicelib.alerting import mail
from chalicelib.alerting.messages import test_facts as facts_of_a_test
from chalicelib.alerting.refusal import RefusedError
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SilentMailer:
    def send(
        self,
        recipients: Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: Sequence[str] = (),
    ) -> str:
        del recipients, subject, text, html, reply_to
        raise TimeoutError


def test_an_error_without_a_text_is_reported_by_its_type() -> None:
    settings = Settings.read({})
    alert = Alert("a1", "mail", "test", facts_of_a_test(settings, NOW), NOW)
    with pytest.raises(RefusedError, match=r"^TimeoutError$"):
        mail.send(SilentMailer(), [alert], settings)
