"""Dispatch by SQS: telling Lambda workers that runs are due.

A message says that something is due and names the run it was sent for; whoever gets it claims what is due longest. So a message
that comes twice, late or out of order does no harm, and one that is lost is sent again by a tick: SQS is a bell, the store is the
queue. Messages that no worker could use end in the dead-letter queue, from which upkeep takes their runs back.

After a crash between sending and noting it, a message is sent twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from . import logs
from .clock import Clock
from .occurrences import HORIZON
from .store import Store, dispatching

log = logs.get(__name__)

LIVE = timedelta(minutes=5)  # for so long after its due time a message is believed to be under way
MOST_DELAY = timedelta(minutes=15)  # SQS delays no message longer
BATCH = 10  # messages that SQS takes at once
AT_ONCE = 500  # runs that are read at once
DEAD = "-dead"  # what the dead-letter queue's name ends with


class Dispatcher:
    """Sends messages for due runs to one queue. Safe to share between threads."""

    def __init__(self, store: Store, clock: Clock, url: str) -> None:
        """Dispatch to the queue at `url`; nothing is connected yet."""
        self._store = store
        self._clock = clock
        self._url = url

    @cached_property
    def _sqs(self) -> Any:
        import boto3

        return boto3.client("sqs")

    def dispatch(self) -> int:
        """Send a message for every run that is due soon and has none under way; answer how many. Raises ClientError."""
        sent = 0
        while True:
            now = self._clock.now()
            with self._store.read() as tx:
                runs = dispatching.undispatched(tx, now=now, horizon=now + HORIZON, most=AT_ONCE)
            taken = sum(self._send(runs[start : start + BATCH], now) for start in range(0, len(runs), BATCH))
            sent += taken
            if taken < AT_ONCE:  # no more are due, or SQS refuses some
                return sent

    def _send(self, runs: Sequence[tuple[str, datetime]], now: datetime) -> int:
        entries = [
            {"Id": str(number), "MessageBody": json.dumps({"run_id": run_id}), "DelaySeconds": _delay(due_at, now)}
            for number, (run_id, due_at) in enumerate(runs)
        ]
        answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        for refused in answer.get("Failed", ()):
            log.error("dispatch.refused", run_id=runs[int(refused["Id"])][0], reason=refused.get("Message") or refused["Code"])
        taken = [runs[int(one["Id"])] for one in answer.get("Successful", ())]
        if taken:
            with self._store.write() as tx:
                dispatching.dispatched(tx, [run_id for run_id, _ in taken], until=max(now, *(due for _, due in taken)) + LIVE)
        return len(taken)

    def arrived(self, run_id: str) -> None:
        """Note that the message for a run was used up without the run being claimed: a tick sends another."""
        with self._store.write() as tx:
            dispatching.arrived(tx, [run_id])

    def reconcile(self) -> int:
        """Empty the dead-letter queue: runs that are queued still are sent word of anew. Answer how many messages there were."""
        emptied = 0
        while True:
            found = self._sqs.receive_message(QueueUrl=self._url + DEAD, MaxNumberOfMessages=BATCH).get("Messages", [])
            if not found:
                return emptied
            bodies = [run_of(message["Body"]) for message in found]
            with self._store.write() as tx:
                dispatching.arrived(tx, [run_id for run_id in bodies if run_id])
            handles = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
            self._sqs.delete_message_batch(QueueUrl=self._url + DEAD, Entries=handles)
            emptied += len(found)
            log.error("dispatch.dead_letters", run_ids=bodies)


def _delay(due_at: datetime, now: datetime) -> int:
    """Answer the whole seconds that a message is held back, so that it comes when its run is due or a moment later."""
    return math.ceil(min(max(due_at - now, timedelta()), MOST_DELAY).total_seconds())


def run_of(body: str) -> str | None:
    """Answer the run that a message was sent for, or None if it says nothing that we would."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    run_id = said.get("run_id") if isinstance(said, dict) else None
    return run_id if isinstance(run_id, str) else None
