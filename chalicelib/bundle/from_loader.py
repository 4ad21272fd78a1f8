"""What else the application takes from the loader: the builtin jobs, a sender of mail, the memory's limit.

Each is imported when it is used, so that a process that needs none pays for none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Settings

if TYPE_CHECKING:
    from sauron_jobs_loader.toolkit.ses import Mailer
    from sauron_jobs_loader.toolkit.smtp import SmtpMailer


def builtin_records() -> Sequence[Mapping[str, Any]]:
    """Return the definitions of this version's builtin jobs, as a bundle's boot returns its own."""
    from sauron_jobs_loader.builtin.definitions import JOBS

    return [job.record() for job in JOBS]


def mailer(settings: Settings) -> Mailer | SmtpMailer:
    """Return what sends mail: by SES or by a mail server, as the settings say; nothing is connected yet."""
    from sauron_jobs_loader.toolkit.mailers import mailer

    environ = settings.environ
    return mailer(
        sender=settings.from_email or "",
        smtp_url=settings.smtp_url,
        region=settings.aws_ses_region,
        access_key=settings.aws_ses_access_key_id,
        secret_key=settings.aws_ses_secret_access_key,
        endpoint_url=environ.get("AWS_ENDPOINT_URL_SES") or environ.get("AWS_ENDPOINT_URL"),
    )


def memory_limit_mb(root: Path) -> int | None:
    """Return the limit on the memory of all of Sauron's processes, by the cgroups below `root`."""
    from sauron_jobs_loader.launch.oom_watch import OomWatch

    return OomWatch(root).limit_mb()
