"""What people are told: the facts of an alert, and how they read as a mail and as a webhook's body.

An alert's facts are composed once, in the transaction that changes its incident, and are complete:
delivering it later needs nothing else. Values of settings that are secrets are masked in them.

Limit: of a run's log the end is included; a mail about many alerts includes less of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.clock import iso
from chalicelib.model.runs import RunState
from chalicelib.settings import Settings
from chalicelib.store.alerts import Alert
from chalicelib.store.incidents import Incident
from chalicelib.text import readable, storable, taken
from sauron_jobs_loader.mail_subjects import WARNING, alert_subject

from .check_result import OF_SAURON, SAURON, Kind
from .mail_body import as_html, as_text

MAIL = "mail"
SEVERAL = "several"  # the kind of a message about several alerts
TEST = "test"  # the kind of an alert that somebody asked for
WEBHOOK = "webhook"
_WORDS = {
    Kind.FAILING: "failing",
    Kind.LATE: "late",
    Kind.MISSED: "missed",
    Kind.REJECTED: "rejected",
    Kind.SLOW: "slow",
    Kind.SYNC: "failing",
    Kind.MANIFEST: "rejected",
    Kind.OUTBOX: "stuck",
    Kind.DISK: "low",
    Kind.CLOCK: "set_back",
}
_ENDS = {
    "disabled": "it is disabled",
    "removed": "it was removed",
    "forgotten": "its runs are no longer kept",
}
TAIL_CHARS = 2000
TAIL_OF_MANY = 400  # of each log in a mail about several alerts
NO_CHANNEL = (
    "No channel for alerts is configured. For mail set ALERT_EMAIL and FROM_EMAIL with SAURON_SMTP_URL (or "
    "AWS_SES_ACCESS_KEY_ID and AWS_SES_SECRET_ACCESS_KEY, unless the machine has credentials for SES); for a "
    "chat set SAURON_ALERT_URLS; for a webhook SAURON_ALERT_WEBHOOK_URL (and SAURON_ALERT_WEBHOOK_SECRET to "
    "sign it)."
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail about one alert or several."""

    subject: str
    text: str
    html: str


def channels(settings: Settings) -> tuple[str, ...]:
    """Return the channels that are configured."""
    # without keys of their own AWS's usual credentials are used
    mail = settings.alert_email and settings.from_email
    chats = tuple(one.name for one in settings.alert_urls or ())
    return ((MAIL,) if mail else ()) + ((WEBHOOK,) if settings.alert_webhook_url else ()) + chats


def type_of(kind: Kind, *, over: bool) -> str:
    """Name the type of an alert: `job.failing`, `sync.recovered`."""
    return f"{kind if kind in OF_SAURON else 'job'}.{'recovered' if over else _WORDS[kind]}"


def title(incident: Incident, facts: Mapping[str, Any], *, over: bool, reminder: bool) -> str:
    """Say in a line what is so."""
    if incident.kind == TEST:
        return "This is a test"
    kind, subject, still = Kind(incident.kind), incident.subject, "still " if reminder else ""
    if renamed := facts.get("renamed_to"):
        subject = f"{subject} (now {renamed})"
    if over and "ended_by" in facts:
        return {
            Kind.SYNC: "The bundle is no longer watched: none is configured",
            Kind.MANIFEST: "The bundle is no longer watched: none is configured",
            Kind.OUTBOX: "Copies to Life Hub are no longer watched: it is not configured",
            Kind.DISK: "The disk is no longer watched: its bound is 0",
        }.get(kind, f"{subject} is no longer watched: {_ENDS.get(facts['ended_by'], 'it is over')}")
    if over:
        return {
            Kind.FAILING: f"{subject} recovered",
            Kind.LATE: f"{subject} is no longer late",
            Kind.REJECTED: f"{subject} is no longer rejected",
            Kind.SYNC: "The bundle is synced again",
            Kind.MANIFEST: "The bundle's newest revision is accepted again",
            Kind.OUTBOX: "Life Hub is copied to again",
            Kind.DISK: "There is room on the disk again",
            Kind.CLOCK: "Schedules are in force again since the clock was set back",
        }.get(kind, f"{subject} recovered")
    if kind is Kind.FAILING and facts.get("state") == RunState.TIMED_OUT:
        return f"{subject} {still}timed out" if not reminder else f"{subject} is still failing: it timed out"
    count = facts.get("count", 1)
    return {
        Kind.SLOW: f"{incident.job_id} is slow",
        Kind.FAILING: f"{subject} is {still}failing",
        Kind.LATE: f"{subject} is {still}late",
        Kind.MISSED: f"{subject} missed {count} occurrences"
        if count > 1
        else f"{subject} missed an occurrence",
        Kind.REJECTED: f"{subject} is {still}rejected",
        Kind.SYNC: f"The bundle {still}cannot be fetched",
        Kind.MANIFEST: f"The bundle's newest revision is {still}not accepted",
        Kind.OUTBOX: f"Copies to Life Hub are {still}stuck",
        Kind.DISK: f"The disk is {still}nearly full",
        Kind.CLOCK: f"Schedules {still}wait since the clock was set back",
    }[kind]


def compose(
    settings: Settings,
    incident: Incident,
    *,
    reason: str,
    run_id: str | None,
    log_tail: str,
    facts: Mapping[str, Any],
    reminder: bool = False,
    down: timedelta | None = None,
) -> dict[str, Any]:
    """Return an alert's facts; `down` is how long it was wrong, when it is so no longer."""
    told = title(incident, facts, over=down is not None, reminder=reminder)
    base = settings.base_link
    data = {
        "failures_in_row": 0,
        **facts,
        "job_id": incident.job_id,
        "run_id": run_id,
        "subject": incident.subject,
        "kind": incident.kind,
        "title": told,
        "reason": reason,
        "since": iso(incident.since),
        "down_seconds": None if down is None else max(0, round(down.total_seconds())),
        "link": f"{base}/ui/runs/{run_id}" if run_id else f"{base}/",
        "log_tail": log_tail,
        "scheduler": settings.scheduler_name,
        "reminder": reminder,
    }
    # masked on both sides: a secret may hold what is cleaned away, or be broken up by it
    return {name: _told(settings, value) for name, value in data.items()}


def _told(settings: Settings, value: Any) -> Any:
    if isinstance(value, str):
        return settings.masked(readable(settings.masked(storable(value))))
    return readable(value)


def test_facts(settings: Settings, now: datetime) -> dict[str, Any]:
    """Return the facts of an alert that only tests the way."""
    incident = Incident(0, SAURON, TEST, None, None, "", now, now, None)
    reason = "Somebody asked for a test of the alerts. Nothing is wrong."
    return compose(settings, incident, reason=reason, run_id=None, log_tail="", facts={})


def as_webhook(alert: Alert) -> bytes:
    """Write an alert as a webhook's body."""
    body = {"type": alert.type, "timestamp": iso(alert.created_at), "data": readable(alert.data)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def as_webhook_of_several(alerts: Sequence[Alert], settings: Settings) -> bytes:
    """Write several alerts, in the order of their happening, as one webhook's body.

    It has the form of every other: a type, a timestamp, and facts, in which `alerts` holds each alert whole
    but for the length of its log.
    """
    titles = [_line(_title(alert), 120) for alert in alerts]
    told = [
        {
            "id": f"msg_{alert.id}",
            "type": alert.type,
            "timestamp": iso(alert.created_at),
            "data": _shortened(alert),
        }
        for alert in alerts
    ]
    data = {
        "job_id": None,
        "run_id": None,
        "subject": SAURON,
        "kind": SEVERAL,
        "title": _line(_headline(titles), 150),
        "reason": "\n".join(titles),
        "link": f"{settings.base_link}/",
        "scheduler": settings.scheduler_name,
        "count": len(alerts),
        "alerts": told,
    }
    body = {"type": f"alerts.{SEVERAL}", "timestamp": iso(alerts[-1].created_at), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _shortened(alert: Alert) -> dict[str, Any]:
    data: dict[str, Any] = readable(alert.data)
    return {**data, "log_tail": str(data.get("log_tail") or "")[-TAIL_OF_MANY:]}


def _headline(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{len(titles)} alerts: {', '.join(dict.fromkeys(titles))}"


def as_chat(alerts: Sequence[Alert], *, scheduler: str) -> tuple[str, str, bool]:
    """Write alerts as a message of a chat: title, text, and whether all of them are harmless."""
    mail = as_mail(alerts, scheduler=scheduler, chars=TAIL_OF_MANY)
    return mail.subject, mail.text, all(map(_harmless, alerts))


def as_mail(alerts: Sequence[Alert], *, scheduler: str, chars: int = TAIL_CHARS) -> Mail:
    """Write one alert, or several in the order of their happening, as a mail.

    `chars` is how much of the end of a log it holds, where it is about one alert.
    """
    chars = chars if len(alerts) == 1 else TAIL_OF_MANY
    parts = [_part(alert, chars) for alert in alerts]
    titles = [str(part["title"]) for part in parts]
    subject = _headline(titles)
    html = as_html(parts, titles)
    text = "\n\n".join(as_text(part) for part in parts)
    if len(parts) > 1:
        text = "\n".join(f"- {title}" for title in titles) + "\n\n" + text
    level = "INFO" if all(map(_harmless, alerts)) else WARNING
    subject = alert_subject(subject, level=level, source=scheduler)
    return Mail(_line(subject, 150), text + "\n", html)


def _harmless(alert: Alert) -> bool:
    """Whether an alert tells of something that is over, or only tests the way."""
    return alert.data.get("down_seconds") is not None or alert.data.get("kind") == TEST


def _title(alert: Alert) -> str:
    return str(readable(alert.data.get("title")) or alert.type)


def _part(alert: Alert, chars: int) -> dict[str, Any]:
    """Return what a mail says of one alert."""
    data = readable(alert.data)
    down = data.get("down_seconds")
    facts = [
        ("when", iso(alert.created_at)),
        ("since", data.get("since")),
        ("down for", None if down is None else taken(down)),
        ("failures in a row", data.get("failures_in_row") or None),
        ("job", data.get("job_id")),
        ("run", data.get("run_id")),
    ]
    tail = str(data.get("log_tail") or "")[-chars:].strip()
    known = [(name, str(value)) for name, value in facts if value is not None]
    return {
        "title": _line(_title(alert), 120),
        "reason": str(data.get("reason") or ""),
        "facts": known,
        "tail": tail,
        "link": data.get("link"),
    }


def _line(text: str, most: int) -> str:
    """Return a text as one line of at most so many characters: a header's value has no line breaks."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 3].rstrip() + "..."
