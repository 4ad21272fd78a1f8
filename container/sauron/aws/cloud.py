"""The way to one AWS account and region: clients by service, and errors in words.

Credentials are found as every AWS tool finds them (environment, profile, role); none is read, kept or shown
here.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import SauronError

GONE = frozenset(
    {
        *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
        *("ResourceNotFoundException", "NotFoundException", "NotFound", "NoSuchEntity"),
    }
)
QUEUE_SOON = "A queue's name can be used again 60 s after it was deleted: wait, then run this again."
ADVICE = {
    "AWS.SimpleQueueService.QueueDeletedRecently": QUEUE_SOON,
    "QueueDeletedRecently": QUEUE_SOON,
    "ExpiredToken": "The credentials have expired: sign in again.",
    "ExpiredTokenException": "The credentials have expired: sign in again.",
    "InvalidClientTokenId": "AWS does not know these credentials: check AWS_PROFILE or AWS_ACCESS_KEY_ID.",
    "AccessDenied": "docs/aws.md lists what whoever deploys must be allowed.",
    "AccessDeniedException": "docs/aws.md lists what whoever deploys must be allowed.",
}


class AwsError(SauronError):
    """AWS, or the tool that deploys to it, refused; `what` is what was tried."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        super().__init__(f"Could not {what}: {reason}")


@dataclass(frozen=True)
class Cloud:
    """One account in one region, as one caller sees it."""

    session: Any = field(repr=False)
    region: str
    account: str
    caller: str
    partition: str = "aws"

    @functools.cache  # noqa: B019 - one of these lives as long as the command
    def client(self, service: str) -> Any:
        """Return the client of one service."""
        return self.session.client(service)

    def arn(self, service: str, rest: str) -> str:
        """Write the ARN of something in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def connect() -> Cloud:
    """Find region and identity. Raises AwsError with what to set."""
    with explained("find your credentials"):
        session: Any = boto3.Session()
    if not session.region_name:
        raise AwsError(
            "find the region", "none is set. Set AWS_REGION=us-east-1 or choose a profile by AWS_PROFILE."
        )
    with explained("find out who you are"):
        who = session.client("sts", region_name=session.region_name).get_caller_identity()
    session = boto3.Session(region_name=session.region_name)
    return Cloud(session, session.region_name, who["Account"], who["Arn"], who["Arn"].split(":")[1])


def is_gone(error: ClientError) -> bool:
    """Say whether the thing asked about is not there."""
    return error.response["Error"]["Code"] in GONE


class unless_gone:  # noqa: N801 - used like a function
    """Take it for done when what is removed or asked about is not there."""

    def __enter__(self) -> None:
        """Watch what follows."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Swallow AWS's answer that there is no such thing."""
        return isinstance(error, ClientError) and is_gone(error)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what AWS or the network says into an AwsError."""
    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        advice = ADVICE.get(said["Code"], "")
        raise AwsError(
            what, f"AWS answered {said['Code']}: {said.get('Message', '')} {advice}".strip()
        ) from error
    except BotoCoreError as error:
        hint = " Sign in, or set AWS_PROFILE." if "credentials" in str(error).lower() else ""
        raise AwsError(what, f"{error}{'' if str(error).endswith('.') else '.'}{hint}") from error
