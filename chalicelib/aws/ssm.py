"""Settings that AWS keeps: parameters of SSM stand for environment variables.

So no secret is in the configuration of a function.

`/sauron/prod/bundle/JOBS_GIT_TOKEN` is the variable JOBS_GIT_TOKEN. A function names the paths that it reads,
and its role allows no others. They are read once, when a process first asks for its settings; a changed
parameter reaches a warm function when its process is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.errors import SettingsError


def read(paths: Iterable[str]) -> dict[str, str]:
    """Return the parameters right below these paths by their names; of one name the last path's counts.

    Raises SettingsError when they cannot be read.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    found: dict[str, str] = {}
    patience = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
    for path in paths:
        try:
            pages = boto3.client("ssm", config=patience).get_paginator("get_parameters_by_path")
            for page in pages.paginate(Path=path, WithDecryption=True):
                found |= {one["Name"].rpartition("/")[2]: one["Value"] for one in page["Parameters"]}
        except (BotoCoreError, ClientError) as error:
            raise SettingsError(
                [f"SAURON_SSM_PATH: the parameters below {path} cannot be read ({error})"]
            ) from None
    return found
