"""Asking the sync function for a sync: on Lambda the function that answers HTTP has 29 seconds and no time to fetch a bundle.

It is the scheduled handler itself, called with an event like its rule's whose detail says what is asked. A
sync that takes longer goes on; who asked is told that it is still running.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.aws.eventbridge import event
from chalicelib.errors import BundleError, UnknownRevisionError

from .sync import SyncReport

WAIT_SECONDS = 20.0  # API Gateway gives up after 29
STILL_RUNNING = "still running"


def ask(function: str, detail: Mapping[str, Any], *, at: datetime) -> SyncReport:
    """Call the sync function and return its report. Raises UnknownRevisionError, BundleError."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

    once = Config(read_timeout=WAIT_SECONDS, connect_timeout=5, retries={"total_max_attempts": 1})
    payload = json.dumps(event("sync", at) | {"detail": detail}).encode()
    try:
        answer = boto3.client("lambda", config=once).invoke(FunctionName=function, Payload=payload)
    except ReadTimeoutError:
        return SyncReport(False, STILL_RUNNING)
    except (BotoCoreError, ClientError) as error:
        raise BundleError(f"The function {function} cannot be called: {error}") from None
    said = json.loads(answer["Payload"].read() or "null")
    if "FunctionError" in answer or not isinstance(said, dict):
        raise BundleError(f"The function {function} failed; its log says why.")
    if said.get("unknown_revision"):
        raise UnknownRevisionError(said["unknown_revision"])
    report: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in said.items()
    }
    return SyncReport(**report)
