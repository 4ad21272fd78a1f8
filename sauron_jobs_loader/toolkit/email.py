"""Email from a job, by Amazon SES or a mail server.

A mail that cannot be sent is logged and returns None; it does not fail the job. Settings are read from the
environment of the job at each call: AWS_SES_ACCESS_KEY_ID, AWS_SES_SECRET_ACCESS_KEY, AWS_SES_REGION, or
SAURON_SMTP_URL where those keys are not set; FROM_EMAIL, and NOTIFY_EMAIL, ALERT_EMAIL or DIGEST_EMAIL as the
default recipient. A job that declares its secrets declares these too. AWS_ENDPOINT_URL is used if it is set.
Values of the job's secrets are masked in subject, text and HTML, within the limits of
`sauron_jobs_loader.masking`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

from sauron_jobs_loader import context
from sauron_jobs_loader.mail_subjects import WARNING, alert_subject, digest_subject
from sauron_jobs_loader.masking import Masker, address_credentials

from .mail_message import MailError, addresses
from .mailers import mailer
from .ses import Mailer
from .smtp import SmtpMailer

_log = logging.getLogger(__name__)

Recipients = str | Iterable[str] | None

WELL_KNOWN_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SES_ACCESS_KEY_ID",
    "AWS_SES_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "DATABASE_URL",
    "GITHUB_TOKEN",
    "LIFE_HUB_DB_URL",
    "SAURON_SMTP_URL",
    "SSH_PRIVATE_KEY_B64",
)
NOT_SECRET = frozenset(
    {
        "ALERT_EMAIL",
        "AWS_SES_REGION",
        "DIGEST_EMAIL",
        "FROM_EMAIL",
        "NOTIFY_EMAIL",
        "SAURON_SSH_KEY_PATH",
        "SAURON_SSH_KNOWN_HOSTS",
    }
)
"""A job declares these among its secrets to get them, but their values may be in a mail."""


def send_email(
    subject: str,
    body: str = "",
    html: str | None = None,
    *,
    to_email: Recipients = None,
    from_email: str | None = None,
    reply_to: Recipients = None,
    in_reply_to: str | None = None,
    references: str | None = None,
    alert_type: str | None = None,
    job_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> str | None:
    """Send one mail; return its Message-ID, or None with the reason in the log.

    `to_email` is an address, several separated by commas, or a list; the default is NOTIFY_EMAIL.
    `in_reply_to` is the Message-ID of the mail that this one answers, `references` those before it.
    `alert_type`, `job_id` and `metadata` come from older callers; they are logged.
    """
    recipients = addresses(to_email) or addresses(os.environ.get("NOTIFY_EMAIL"))
    sender = from_email or os.environ.get("FROM_EMAIL")
    masker = Masker(_secret_values())
    subject = masker.text(" ".join(subject.split()))
    if not recipients or not sender:
        missing = (
            "a recipient (to_email= or NOTIFY_EMAIL)"
            if not recipients
            else "a sender (from_email= or FROM_EMAIL)"
        )
        _log.warning("mail %r was not sent: it lacks %s", subject, missing)
        return None
    try:
        message_id = _mailer(sender).send(
            recipients,
            subject,
            masker.text(body),
            None if html is None else masker.text(html),
            reply_to=addresses(reply_to),
            in_reply_to=in_reply_to,
            references=references,
        )
    except ValueError as error:
        _log.warning("mail %r was not sent: SAURON_SMTP_URL: %s", subject, error)
        return None
    except MailError as error:
        later = " (a later attempt may succeed)" if error.temporary else ""
        _log.warning("mail %r was not sent: %s%s", subject, masker.text(str(error)), later)
        return None
    facts = {"job_id": job_id, "type": alert_type, **(metadata or {})}
    said = "".join(f", {name}={value!r}" for name, value in facts.items() if value is not None)
    _log.info("mail %r sent to %s (%s%s)", subject, ", ".join(recipients), message_id, said)
    return message_id


def send_alert_email(
    subject: str,
    body: str = "",
    html: str | None = None,
    *,
    level: str | None = WARNING,
    source: str | None = None,
    **more: Any,
) -> str | None:
    """Send a mail to ALERT_EMAIL (or NOTIFY_EMAIL); its subject begins `LEVEL (SOURCE): `.

    The source is JOB_SCHEDULER_NAME unless one is given.
    """
    to_email = more.pop("to_email", None) or os.environ.get("ALERT_EMAIL") or None
    whole = alert_subject(subject, level=level, source=source or _scheduler())
    return send_email(whole, body, html, to_email=to_email, **more)


def send_digest_email(
    subject: str, body: str = "", html: str | None = None, *, source: str | None = None, **more: Any
) -> str | None:
    """Send a mail to DIGEST_EMAIL (or NOTIFY_EMAIL); its subject begins `SOURCE DIGEST: `.

    The source is JOB_SCHEDULER_NAME unless one is given.
    """
    to_email = more.pop("to_email", None) or os.environ.get("DIGEST_EMAIL") or None
    whole = digest_subject(subject, source=source or _scheduler())
    return send_email(whole, body, html, to_email=to_email, **more)


def _scheduler() -> str:
    return os.environ.get("JOB_SCHEDULER_NAME") or "sauron"


def _mailer(sender: str) -> Mailer | SmtpMailer:
    environ = os.environ
    return mailer(
        sender=sender,
        smtp_url=environ.get("SAURON_SMTP_URL") or None,
        region=environ.get("AWS_SES_REGION") or "us-east-1",
        access_key=environ.get("AWS_SES_ACCESS_KEY_ID") or None,
        secret_key=environ.get("AWS_SES_SECRET_ACCESS_KEY") or None,
        endpoint_url=environ.get("AWS_ENDPOINT_URL_SES") or environ.get("AWS_ENDPOINT_URL") or None,
    )


def _secret_values() -> Iterator[str]:
    """Return the values to mask in mails: the secrets of this job, and variables that hold secrets."""
    yield from address_credentials(os.environ.get("SAURON_SMTP_URL", ""))
    names = set(WELL_KNOWN_SECRETS)
    job = context.running()
    if job is not None:
        names |= job.masked_names
        yield from (value for name, value in job.secrets.items() if name not in NOT_SECRET)
    yield from (os.environ[name] for name in names - NOT_SECRET if os.environ.get(name))
