"""Limit the functions' policies to the account they are deployed to.

The committed policies are valid in every account. In `arn:aws:<service>:*:*:` the wildcards are replaced with
the stage's region and account (for mail: the region it is sent from). ARNs that name a region or an account,
and a lone `*`, stay as written. The partition is set in all of them.

Mail may be sent from the senders alone, and not at all without one: that goes for the statement `SendMail`,
unless it has a condition already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Any

from chalicelib.errors import SauronError
from chalicelib.settings import SETTINGS

from .cloud import Cloud

ANYWHERE = re.compile(r'"arn:aws:(?P<service>[a-z0-9-]+):\*:\*:')
MAIL_REGION = "AWS_SES_REGION"
SENDER = "FROM_EMAIL"
SEND_MAIL = "SendMail"
MAIL_REGION_DEFAULT = next(setting.default for setting in SETTINGS if setting.name == MAIL_REGION)


@dataclass(frozen=True, slots=True)
class Mail:
    """The region that mail is sent from, and the addresses that may send it."""

    region: str
    senders: tuple[str, ...]


def mail_of(config: Mapping[str, Any]) -> Mail:
    """Return what the settings say of mail; `config` is that of the one stage."""
    (stage,) = config["stages"].values()
    variables = stage["environment_variables"]
    senders = (address for _name, address in getaddresses([variables.get(SENDER, "")]) if address)
    return Mail(variables.get(MAIL_REGION, MAIL_REGION_DEFAULT), tuple(senders))


def narrowed(text: str, cloud: Cloud, mail: Mail) -> str:
    """Return the text of a policy for this account. Raises SauronError if it is not JSON."""

    def ours(match: re.Match[str]) -> str:
        region = mail.region if match["service"] == "ses" else cloud.region
        return f'"arn:{cloud.partition}:{match["service"]}:{region}:{cloud.account}:'

    here = ANYWHERE.sub(ours, text).replace('"arn:aws:', f'"arn:{cloud.partition}:')
    try:
        policy = json.loads(here)
    except ValueError as error:
        raise SauronError(f"A policy in .chalice is not valid JSON ({error}). Correct its file.") from None
    statements = policy.get("Statement")
    if isinstance(statements, list):
        policy["Statement"] = _with_senders(statements, mail.senders)
    return json.dumps(policy, indent=2) + "\n"


def _with_senders(statements: list[dict[str, Any]], senders: Sequence[str]) -> list[dict[str, Any]]:
    """Limit the permission to send mail to these senders; remove it if there are none."""
    only = {"StringEqualsIgnoreCase": {"ses:FromAddress": list(senders)}}
    return [
        one | {"Condition": only} if _sends(one) else one for one in statements if senders or not _sends(one)
    ]


def _sends(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement is the one that allows mail without a condition."""
    return statement.get("Sid") == SEND_MAIL and "Condition" not in statement
