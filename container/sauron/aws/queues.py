"""The queue that runs are dispatched on, and the one for messages that were received too often.

A message says that something is due; the run itself is in the store. So a queue that is lost loses nothing:
the next tick sends again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .cloud import Cloud, unless_gone
from .names import Names
from .plan import Act, Step, Tell, judged

VISIBILITY_SECONDS = 960  # longer than the work function may run
RETENTION_SECONDS = 4 * 86400
DEAD_RETENTION_SECONDS = 14 * 86400
RECEIVED_AT_MOST = 5


def steps(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that make both queues."""
    return [_step(cloud, name, attributes) for name, attributes in _wanted(cloud, names).items()]


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that remove both queues."""
    return [
        Step(Act.REMOVE, f"queue {name}", do=lambda _tell, name=name: _remove(cloud, name))  # type: ignore[misc]
        for name in (names.queue, names.dead_queue)
        if url(cloud, name)
    ]


def url(cloud: Cloud, name: str) -> str | None:
    """Return where a queue is, None when there is none."""
    with unless_gone():
        found: str = cloud.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return found
    return None


def _wanted(cloud: Cloud, names: Names) -> dict[str, dict[str, str]]:
    """Return the attributes of both; the dead one first, because the other names it."""
    dead = cloud.arn("sqs", names.dead_queue)
    return {
        names.dead_queue: {
            "MessageRetentionPeriod": str(DEAD_RETENTION_SECONDS),
            "SqsManagedSseEnabled": "true",
        },
        names.queue: {
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "MessageRetentionPeriod": str(RETENTION_SECONDS),
            "SqsManagedSseEnabled": "true",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": RECEIVED_AT_MOST}),
        },
    }


def _step(cloud: Cloud, name: str, attributes: Mapping[str, str]) -> Step:
    place = url(cloud, name)
    has: dict[str, str] = {}
    if place:
        has = (
            cloud.client("sqs")
            .get_queue_attributes(QueueUrl=place, AttributeNames=["All"])
            .get("Attributes", {})
        )
    differs = [key for key, value in attributes.items() if _read(has.get(key)) != _read(value)]

    def do(_tell: Tell) -> None:
        sqs = cloud.client("sqs")
        if place is None:
            sqs.create_queue(QueueName=name, Attributes=dict(attributes))
        else:
            sqs.set_queue_attributes(QueueUrl=place, Attributes={key: attributes[key] for key in differs})

    return judged(f"queue {name}", exists=place is not None, differs=differs, do=do)


def _read(value: str | None) -> Any:
    """Read an attribute so that two ways to write the same are equal."""
    try:
        read = json.loads((value or "null").lower())
    except ValueError:
        return value
    return {key: str(item) for key, item in read.items()} if isinstance(read, dict) else read


def _remove(cloud: Cloud, name: str) -> None:
    if place := url(cloud, name):
        with unless_gone():
            cloud.client("sqs").delete_queue(QueueUrl=place)
