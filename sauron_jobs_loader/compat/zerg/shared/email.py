"""`zerg.shared.email`, as older bundles import it. The subjects of its mails name the source ZERG."""

from typing import Any

from sauron_jobs_loader.toolkit import email
from sauron_jobs_loader.toolkit.email import send_email

SOURCE = "ZERG"


def send_alert_email(subject: str, body: str = "", html: str | None = None, **how: Any) -> str | None:
    """Send a mail to ALERT_EMAIL; its subject begins `LEVEL (ZERG): `."""
    return email.send_alert_email(subject, body, html, **({"source": SOURCE} | how))


def send_digest_email(subject: str, body: str = "", html: str | None = None, **how: Any) -> str | None:
    """Send a mail to DIGEST_EMAIL; its subject begins `ZERG DIGEST: `."""
    return email.send_digest_email(subject, body, html, **({"source": SOURCE} | how))


def send_job_failure_alert(failed_job_id: str, error: str) -> str | None:
    """Send a mail to ALERT_EMAIL about a job that failed. Sauron tells of failed runs by itself."""
    facts = f"Job ID: {failed_job_id}\nError: {error}"
    body = f"A job failed:\n\n{facts}\n\nIts runs: sauron runs --job {failed_job_id}\n"
    return send_alert_email(
        f"Job failed: {failed_job_id}", body, alert_type="job_failure", job_id=failed_job_id
    )


def send_reply_email(
    to_email: str, subject: str, body: str, in_reply_to: str, *, references: str | None = None
) -> str | None:
    """Send a mail that joins the thread of the mail with the Message-ID `in_reply_to`."""
    return send_email(subject, body, to_email=to_email, in_reply_to=in_reply_to, references=references)


__all__ = [
    "send_alert_email",
    "send_digest_email",
    "send_email",
    "send_job_failure_alert",
    "send_reply_email",
]
