"""One AWS account and region: a client per service, and AWS's errors as AwsError.

boto3 finds the credentials as every AWS tool does (environment, profile, role), once, because a profile may
ask a person for a code. They are kept in memory alone, handed to Chalice in its environment, and never
printed.
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

MISSING_CODES = frozenset(
    {
        *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
        *("ResourceNotFoundException", "NotFoundException", "NotFound", "NoSuchEntity"),
    }
)
QUEUE_SOON = "A queue's name can be used again 60 s after it was deleted: wait, then run this again."
DEPLOYER_RIGHTS = "docs/aws.md lists the permissions that the deploying user needs."
ADVICE = {
    "AWS.SimpleQueueService.QueueDeletedRecently": QUEUE_SOON,
    "QueueDeletedRecently": QUEUE_SOON,
    "ExpiredToken": "The credentials have expired: sign in again.",
    "ExpiredTokenException": "The credentials have expired: sign in again.",
    "InvalidClientTokenId": "AWS does not know these credentials: check AWS_PROFILE or AWS_ACCESS_KEY_ID.",
    "AccessDenied": DEPLOYER_RIGHTS,
    "AccessDeniedException": DEPLOYER_RIGHTS,
}


class AwsError(SauronError):
    """AWS, or the tool that deploys to it, refused. `what` names the act that failed."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        super().__init__(f"Could not {what}: {reason}")


class StackError(SauronError):
    """The stage belongs to a CloudFormation stack, so nothing else may change it."""

    def __init__(self, stage: str, stack: str) -> None:
        self.stack = stack
        super().__init__(
            f"Stage {stage} was made by the CloudFormation stack {stack}. Change it there, with the template "
            "of make package; to remove it, delete the stack."
        )


@dataclass(frozen=True)
class Cloud:
    """One account in one region, with the identity of the caller."""

    session: Any = field(repr=False)
    region: str
    account: str
    caller: str
    partition: str = "aws"

    @functools.cache  # noqa: B019 - one of these lives as long as the command
    def client(self, service: str) -> Any:
        """Return the client of one service."""
        return self.session.client(service)

    def environ(self) -> dict[str, str]:
        """Return the variables by which another process has these credentials; no profile is to be read."""
        named = {name.upper(): value for name, value in _keys(self.session).items() if value}
        return {**named, "AWS_DEFAULT_REGION": self.region, "AWS_REGION": self.region}

    def arn(self, service: str, rest: str) -> str:
        """Return the ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def connect() -> Cloud:
    """Find the region and the caller's identity. Raises AwsError that says what to set."""
    with aws_errors("find your credentials"):
        found: Any = boto3.Session()
    if not found.region_name:
        raise AwsError(
            "find the region",
            "none is set. Set AWS_REGION, for example to us-east-1, or choose a profile with AWS_PROFILE.",
        )
    with aws_errors("find out who you are"):
        keys = _keys(found)  # asked for once: a profile may want a code of a person
        session: Any = boto3.Session(**keys, region_name=found.region_name) if keys else found
        who = session.client("sts").get_caller_identity()
    return Cloud(session, found.region_name, who["Account"], who["Arn"], who["Arn"].split(":")[1])


def _keys(session: Any) -> dict[str, Any]:
    """Return a session's credentials as they are now; none if it finds none."""
    if (credentials := session.get_credentials()) is None:
        return {}
    frozen = credentials.get_frozen_credentials()
    return {
        "aws_access_key_id": frozen.access_key,
        "aws_secret_access_key": frozen.secret_key,
        "aws_session_token": frozen.token,
    }


def is_missing(error: ClientError) -> bool:
    """Return whether AWS says that the resource does not exist."""
    return error.response["Error"]["Code"] in MISSING_CODES


class ignore_missing:  # noqa: N801 - used like a function
    """Leave the block without an error when the resource does not exist."""

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Suppress AWS's error that the resource does not exist."""
        return isinstance(error, ClientError) and is_missing(error)


@contextlib.contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Raise errors of AWS and of the network as AwsError; `what` completes "Could not ..."."""
    try:
        yield
    except ClientError as error:
        answer = error.response["Error"]
        advice = ADVICE.get(answer["Code"], "")
        raise AwsError(
            what, f"AWS answered {answer['Code']}: {answer.get('Message', '')} {advice}".strip()
        ) from error
    except BotoCoreError as error:
        hint = " Sign in, or set AWS_PROFILE." if "credentials" in str(error).lower() else ""
        raise AwsError(what, f"{error}{'' if str(error).endswith('.') else '.'}{hint}") from error
