"""Checks of how people hear of a problem."""

from __future__ import annotations

from .facts import Facts
from .finding import Finding, well, wrong


def channel(facts: Facts, check: str) -> Finding | None:
    """Whether anybody is told when a job fails."""
    if facts.settings is None:
        return None
    if facts.channels:
        return well(check, ", ".join(facts.channels))
    return wrong(
        check,
        "nobody is told when a job fails",
        "set SAURON_ALERT_URLS, or ALERT_EMAIL, FROM_EMAIL and SAURON_SMTP_URL; then: sauron alerts test",
    )


def sender(facts: Facts, check: str) -> Finding | None:
    """Whether mail has a sender that its way accepts."""
    settings = facts.settings
    if settings is None or not (settings.alert_email or settings.digest_email or settings.notify_email):
        return None
    if not settings.from_email:
        return wrong(check, "mail has recipients and no sender", "set FROM_EMAIL")
    if facts.sender_fault:
        return wrong(
            check,
            settings.masked(facts.sender_fault),
            f"verify {settings.from_email} or its domain in SES, region {settings.aws_ses_region}",
        )
    return well(check, settings.from_email)


def dead_mans_switch(facts: Facts, check: str) -> Finding | None:
    """Whether anybody hears of it when Sauron itself is gone."""
    if facts.settings is None:
        return None
    if facts.settings.heartbeat_url:
        return well(check, "it is pinged every minute")
    return wrong(
        check,
        "nobody hears of it when Sauron itself stops",
        "set SAURON_HEARTBEAT_URL to a check of an outside monitor, with a period of a minute",
    )
