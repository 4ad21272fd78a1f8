"""The queue that runs are dispatched on, and its dead-letter queue.

A message says only that something is due; the run itself is in the store. So losing a queue loses no run:
the next tick sends its message again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .cloud import Cloud, ignore_missing
from .names import Names
from .plan import Act, Report, Step, step_for

# Six times the work function's limit, as AWS advises: a message that comes back while every function is busy
# counts as a failed try. A run does not wait for it, because a tick sends its message again.
VISIBILITY_SECONDS = 6 * 900
RETENTION_SECONDS = 4 * 86400
DEAD_RETENTION_SECONDS = 14 * 86400
RECEIVED_AT_MOST = 5


def steps(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that create both queues."""
    return [_step(cloud, name, attributes) for name, attributes in wanted(cloud, names).items()]


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that remove both queues."""
    return [
        Step(Act.REMOVE, f"queue {name}", do=lambda _report, name=name: _remove(cloud, name))  # type: ignore[misc]
        for name in (names.queue, names.dead_queue)
        if url(cloud, name)
    ]


def url(cloud: Cloud, name: str) -> str | None:
    """Return the address of a queue, None when it does not exist."""
    with ignore_missing():
        found: str = cloud.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return found
    return None


def wanted(cloud: Cloud, names: Names) -> dict[str, dict[str, Any]]:
    """Return the attributes of both; the dead-letter queue first, because the other names it."""
    dead = cloud.arn("sqs", names.dead_queue)
    return {
        names.dead_queue: {"MessageRetentionPeriod": DEAD_RETENTION_SECONDS, "SqsManagedSseEnabled": True},
        names.queue: {
            "VisibilityTimeout": VISIBILITY_SECONDS,
            "MessageRetentionPeriod": RETENTION_SECONDS,
            "SqsManagedSseEnabled": True,
            "RedrivePolicy": {"deadLetterTargetArn": dead, "maxReceiveCount": RECEIVED_AT_MOST},
        },
    }


def _step(cloud: Cloud, name: str, values: Mapping[str, Any]) -> Step:
    attributes = {key: json.dumps(value) for key, value in values.items()}  # SQS takes and returns texts
    place = url(cloud, name)
    has: dict[str, str] = {}
    if place:
        has = (
            cloud.client("sqs")
            .get_queue_attributes(QueueUrl=place, AttributeNames=["All"])
            .get("Attributes", {})
        )
    differs = [key for key, value in attributes.items() if _read(has.get(key)) != _read(value)]

    def do(_report: Report) -> None:
        sqs = cloud.client("sqs")
        if place is None:
            sqs.create_queue(QueueName=name, Attributes=attributes)
        else:
            sqs.set_queue_attributes(QueueUrl=place, Attributes={key: attributes[key] for key in differs})

    return step_for(f"queue {name}", exists=place is not None, differs=differs, do=do)


def _read(value: str | None) -> Any:
    """Parse an attribute, so that two spellings of one value compare equal."""
    try:
        read = json.loads((value or "null").lower())
    except ValueError:
        return value
    return {key: str(item) for key, item in read.items()} if isinstance(read, dict) else read


def _remove(cloud: Cloud, name: str) -> None:
    if place := url(cloud, name):
        with ignore_missing():
            cloud.client("sqs").delete_queue(QueueUrl=place)
