"""What else the application takes from the loader: the builtin jobs' definitions, and a sender of mail.

Both are imported when they are used, so that a process that needs neither pays for neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Settings

if TYPE_CHECKING:
    from sauron_jobs_loader.toolkit.ses import Mailer


def builtin_records() -> Sequence[Mapping[str, Any]]:
    """Return the definitions of this version's builtin jobs, as a bundle's boot returns its own."""
    from sauron_jobs_loader.builtin.definitions import JOBS

    return [job.record() for job in JOBS]


def ses_mailer(settings: Settings) -> Mailer:
    """Return what sends mail through SES; nothing is connected yet."""
    from sauron_jobs_loader.toolkit.ses import Mailer

    environ = settings.environ
    return Mailer(
        region=settings.aws_ses_region,
        access_key=settings.aws_ses_access_key_id,
        secret_key=settings.aws_ses_secret_access_key,
        sender=settings.from_email or "",
        endpoint_url=environ.get("AWS_ENDPOINT_URL_SES") or environ.get("AWS_ENDPOINT_URL"),
    )
