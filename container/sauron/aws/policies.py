"""The functions' policies as they are deployed: what is committed would hold in any account, what AWS is given in one alone.

`arn:aws:<service>:*:*:` gets the stage's partition, region and account; mail gets the region it is sent from.
What names a region or an account, or is `*` alone, stays as it was written, but for the partition.
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
