"""Have the deployed functions check themselves: each is called once, and its findings come back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from chalicelib.aws.eventbridge import event
from chalicelib.clock import SystemClock

from .cloud import Cloud, is_missing
from .names import SCHEDULED, WORK, Names

SECONDS = 60  # that a function may take, its cold start included
REQUEST = {"act": "check"}


@dataclass(frozen=True, slots=True)
class Line:
    """What one function found in one check."""

    function: str
    check: str
    ok: bool
    found: str
    fix: str = ""


def check_functions(cloud: Cloud, names: Names) -> list[Line]:
    """Return what tick, sync, upkeep and work find. A function that cannot be called is a line too."""
    once = Config(read_timeout=SECONDS, connect_timeout=10, retries={"total_max_attempts": 1})
    client = cloud.session.client("lambda", config=once)
    return [line for handler in (*SCHEDULED, WORK) for line in _of(client, names, handler)]


def _of(client: Any, names: Names, handler: str) -> list[Line]:
    function = names.function(handler)
    try:
        reply = client.invoke(FunctionName=function, Payload=json.dumps(_event(handler)).encode())
        said = json.loads(reply["Payload"].read() or b"null")
    except ReadTimeoutError:
        return [_broken(function, f"no answer within {SECONDS} s", names)]
    except (BotoCoreError, ValueError) as error:
        return [_broken(function, f"it cannot be called: {error}", names)]
    except ClientError as error:
        if is_missing(error):
            return [Line(function, "function", False, "it does not exist", "run: sauron aws up")]
        return [_broken(function, error.response["Error"].get("Message", str(error)), names)]
    if "FunctionError" in reply or not isinstance(said, list):
        told = said.get("errorMessage", "it failed") if isinstance(said, dict) else "its answer is not a list"
        return [_broken(function, str(told), names)]
    return [Line(function, one["check"], one["ok"], one["found"], one["fix"]) for one in said]


def _broken(function: str, found: str, names: Names) -> Line:
    return Line(function, "function", False, found, f"its log group {names.log_group(function)} says why")


def _event(handler: str) -> dict[str, Any]:
    if handler == WORK:
        record = {"body": json.dumps({"check": True}), "receiptHandle": "", "messageId": "check"}
        return {"Records": [record | {"eventSource": "aws:sqs"}]}
    return event(handler, SystemClock().now()) | {"detail": REQUEST}
