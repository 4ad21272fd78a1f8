"""How the subjects of mails begin: filters of mailboxes sort by it, so it is pinned here."""

from __future__ import annotations

import pytest

from sauron_jobs_loader.mail_subjects import alert_subject, digest_subject


@pytest.mark.parametrize(
    ("level", "source", "subject"),
    [
        ("critical", "ZERG", "CRITICAL (ZERG): disk full"),
        ("Error", "elrond", "ERROR (ELROND): disk full"),
        ("", "sauron", "WARNING (SAURON): disk full"),
        (None, "sauron", "WARNING (SAURON): disk full"),
    ],
)
def test_an_alert_begins_with_its_level_and_its_source(level: str | None, source: str, subject: str) -> None:
    assert alert_subject("disk full", level=level, source=source) == subject


def test_a_digest_begins_with_its_source() -> None:
    assert digest_subject("Monday", source="zerg") == "ZERG DIGEST: Monday"
