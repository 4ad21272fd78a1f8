"""Limit the functions' policies to the account they are deployed to.

The committed policies are valid in every account. In `arn:aws:<service>:*:*:` the wildcards are replaced with
the stage's region and account (for mail: the region it is sent from). ARNs that name a region or an account,
and a lone `*`, stay as written. The partition is set in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.settings import SETTINGS

from .cloud import Cloud

ANYWHERE = re.compile(r'"arn:aws:(?P<service>[a-z0-9-]+):\*:\*:')
MAIL_REGION = "AWS_SES_REGION"
MAIL_REGION_DEFAULT = next(setting.default for setting in SETTINGS if setting.name == MAIL_REGION)


def narrowed(text: str, cloud: Cloud, config: Mapping[str, Any]) -> str:
    """Return the text of a policy for this account; `config` is that of the one stage."""
    (stage,) = config["stages"].values()
    mail_region = stage["environment_variables"].get(MAIL_REGION, MAIL_REGION_DEFAULT)

    def ours(match: re.Match[str]) -> str:
        region = mail_region if match["service"] == "ses" else cloud.region
        return f'"arn:{cloud.partition}:{match["service"]}:{region}:{cloud.account}:'

    return ANYWHERE.sub(ours, text).replace('"arn:aws:', f'"arn:{cloud.partition}:')
