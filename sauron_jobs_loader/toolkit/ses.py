"""The client of Amazon SES. It reads no setting from the environment: the caller passes them to `Mailer`.

A mail that SES accepted has a Message-ID; SES delivers it. Throttling, server errors and lost connections are
retried, so a mail whose response was lost may be sent twice. Limit: no attachments, at most RECIPIENTS_LIMIT
recipients, who see each other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from sauron_jobs_loader.masking import Masker

from .mail_message import MailError, addresses, compose, encoded, line

TIMEOUT_SECONDS = 10.0
"""How long connecting, and then each wait for a response, may take in one attempt."""

ATTEMPTS = 3
"""Including the first. Between them botocore's standard mode waits up to 20 s."""

RECIPIENTS_LIMIT = 50
"""The most recipients that SES accepts for one message."""

_TEMPORARY = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SERVER_FAULT = 500


class Mailer:
    """Sends mail from one sender in one region. Safe to share between threads. Connects at the first mail."""

    def __init__(
        self,
        *,
        region: str,
        access_key: str | None,
        secret_key: str | None,
        sender: str,
        endpoint_url: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.sender = sender
        self._region = region
        self._keys = (access_key or None, secret_key or None)
        self._endpoint_url = endpoint_url or None
        self._timeout = timeout_seconds
        self._masker = Masker(key for key in self._keys if key)
        self._lock = threading.Lock()
        self._client: Any = None

    def send(
        self,
        recipients: Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: Sequence[str] = (),
        in_reply_to: str | None = None,
        references: str | None = None,
    ) -> str:
        """Send one mail in UTF-8 as text, HTML or both; return its Message-ID.

        With `in_reply_to`, the Message-ID of a mail, it joins the thread of that mail; `references` names the
        whole thread. Raises MailError without secrets.
        """
        to = addresses(recipients)
        if not to:
            raise MailError(
                "the mail has no recipient: write an address such as ops@example.com", temporary=False
            )
        if len(to) > RECIPIENTS_LIMIT:
            raise MailError(
                f"the mail has {len(to)} recipients, SES accepts {RECIPIENTS_LIMIT}: "
                "send several mails, or to a list",
                temporary=False,
            )
        if in_reply_to:
            reply = compose(
                self.sender,
                to,
                subject,
                text,
                html,
                reply_to=reply_to,
                in_reply_to=in_reply_to,
                references=references,
            )
            return self._asked(
                "send_raw_email",
                Source=encoded(self.sender),
                Destinations=to,
                RawMessage={"Data": reply.as_bytes()},
            )
        message: dict[str, Any] = {"Subject": _part(line(subject)), "Body": {}}
        if text or html is None:
            message["Body"]["Text"] = _part(text)
        if html is not None:
            message["Body"]["Html"] = _part(html)
        return self._asked(
            "send_email",
            Source=encoded(self.sender),
            Destination={"ToAddresses": to},
            Message=message,
            ReplyToAddresses=addresses(reply_to),
        )

    def _asked(self, operation: str, **request: Any) -> str:
        try:
            response = getattr(self._connected(), operation)(**request)
        except Exception as error:  # noqa: BLE001 - a library and a network may raise anything
            raise self._fault(error) from None  # the chain could show a secret
        return str(response["MessageId"])

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                from boto3.session import Session
                from botocore.config import Config

                self._client = Session().client(
                    "ses",
                    region_name=self._region,
                    aws_access_key_id=self._keys[0],
                    aws_secret_access_key=self._keys[1],
                    endpoint_url=self._endpoint_url,
                    config=Config(
                        connect_timeout=self._timeout,
                        read_timeout=self._timeout,
                        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    ),
                )
            return self._client

    def _fault(self, error: Exception) -> MailError:
        from botocore import exceptions

        temporary = isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | OSError)
        words = str(error)
        if isinstance(error, exceptions.ClientError):
            said = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            temporary = said.get("Code") in _TEMPORARY or status >= _SERVER_FAULT
            words = f"SES replied {said.get('Code', status)}: {said.get('Message', '')}"
        elif isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            words = "no SES credentials: set AWS_SES_ACCESS_KEY_ID and AWS_SES_SECRET_ACCESS_KEY"
        else:
            words = f"{type(error).__name__}: {words}" + (" SES cannot be reached." if temporary else "")
        return MailError(self._masker.text(words)[:1000], temporary)


def _part(text: str) -> dict[str, str]:
    return {"Data": text.encode("utf-8", "replace").decode(), "Charset": "UTF-8"}
