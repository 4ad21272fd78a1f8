"""Mail from a job, by Amazon SES. A mail that cannot be sent is logged and answered as None: it does not fail the job by itself.

Settings are read from the environment of the job at each call: AWS_SES_ACCESS_KEY_ID, AWS_SES_SECRET_ACCESS_KEY, AWS_SES_REGION,
FROM_EMAIL, and NOTIFY_EMAIL, ALERT_EMAIL or DIGEST_EMAIL as the recipient when none is given. A job that declares its secrets
declares these too. AWS_ENDPOINT_URL is honoured.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

_log = logging.getLogger(__name__)

Recipients = str | Sequence[str] | None


def send_email(
    subject: str,
    body: str = "",
    html: str | None = None,
    *,
    to_email: Recipients = None,
    from_email: str | None = None,
    reply_to: Recipients = None,
    alert_type: str | None = None,
    job_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> str | None:
    """Send one mail; answer its Message-ID, or None with the reason in the log.

    `to_email` is an address, several separated by commas, or a list; NOTIFY_EMAIL when none is given. `alert_type`, `job_id` and
    `metadata` are what older callers say for their own records; they are logged.
    """
    recipients = _addresses(to_email) or _addresses(os.environ.get("NOTIFY_EMAIL"))
    sender = from_email or os.environ.get("FROM_EMAIL")
    if not recipients or not sender:
        missing = "a recipient (to_email= or NOTIFY_EMAIL)" if not recipients else "a sender (from_email= or FROM_EMAIL)"
        _log.warning("mail %r is not sent: it lacks %s", subject, missing)
        return None
    message: dict[str, Any] = {"Subject": _text(" ".join(subject.split())), "Body": {}}
    if body or html is None:
        message["Body"]["Text"] = _text(body)
    if html is not None:
        message["Body"]["Html"] = _text(html)
    try:
        answer = _client().send_email(
            Source=sender,
            Destination={"ToAddresses": recipients},
            Message=message,
            ReplyToAddresses=_addresses(reply_to),
        )
    except Exception as error:  # noqa: BLE001 - a library and a network: whatever it is, the job is told by None
        _log.warning("mail %r is not sent: %s: %s", subject, type(error).__name__, error)
        return None
    _log.info(
        "mail %r sent to %s (%s)", subject, ", ".join(recipients), {"job_id": job_id, "type": alert_type, **(metadata or {})}
    )
    return str(answer["MessageId"])


def send_alert_email(subject: str, body: str = "", html: str | None = None, *, level: str = "ERROR", **more: Any) -> str | None:
    """Send a mail to ALERT_EMAIL (or NOTIFY_EMAIL), its subject marked with the level."""
    to_email = more.pop("to_email", None) or os.environ.get("ALERT_EMAIL") or None
    return send_email(f"[{level.upper()}] {subject}", body, html, to_email=to_email, **more)


def send_digest_email(subject: str, body: str = "", html: str | None = None, **more: Any) -> str | None:
    """Send a mail to DIGEST_EMAIL (or NOTIFY_EMAIL)."""
    to_email = more.pop("to_email", None) or os.environ.get("DIGEST_EMAIL") or None
    return send_email(subject, body, html, to_email=to_email, **more)


def _client() -> Any:
    import boto3

    return boto3.client(
        "ses",
        region_name=os.environ.get("AWS_SES_REGION") or "us-east-1",
        aws_access_key_id=os.environ.get("AWS_SES_ACCESS_KEY_ID") or None,
        aws_secret_access_key=os.environ.get("AWS_SES_SECRET_ACCESS_KEY") or None,
    )


def _addresses(given: Recipients) -> list[str]:
    several = given.split(",") if isinstance(given, str) else given or []
    return [address.strip() for address in several if address.strip()]


def _text(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
