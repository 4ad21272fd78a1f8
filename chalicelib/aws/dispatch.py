"""Dispatch by SQS: telling Lambda workers that runs are due.

A message says that something is due and names the run it was sent for; the worker that receives it claims the
first run that is due. So a message that comes twice, late or out of order does no harm, and a lost one is
sent again by a tick: SQS is a notifier, the store is the queue. Messages that no worker could use end in the
dead-letter queue, from which upkeep takes their runs back.

A message is recorded as in flight before it is sent, so that of several processes that dispatch at once only
one sends; after a crash in between, the next is sent five minutes later. A run that waits for another run of
its job gets its message when that one ends.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from chalicelib import logs
from chalicelib.clock import Clock
from chalicelib.model.occurrences import HORIZON
from chalicelib.store import Store
from chalicelib.store.queue import in_flight

log = logs.get(__name__)

IN_FLIGHT = timedelta(minutes=5)  # for so long at least a message is believed to be in flight
CONFIG: dict[str, Any] = {  # seconds
    "connect_timeout": 2,
    "read_timeout": 5,
    "retries": {"total_max_attempts": 2},
}
DEAD_BATCHES = 20  # of BATCH messages of the dead-letter queue in one pass
LONGEST_DELAY = timedelta(minutes=15)  # of a message, by SQS
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
        from botocore.config import Config

        return boto3.client("sqs", config=Config(**CONFIG))

    def dispatch(self) -> int:
        """Send a message for every run that is due soon and has none in flight; return how many.

        Raises ClientError.
        """
        sent = 0
        while True:
            now = self._clock.now()
            with self._store.write() as tx:
                runs = in_flight.reserve(tx, now=now, horizon=now + HORIZON, at_least=IN_FLIGHT, most=AT_ONCE)
            taken: set[str] = set()
            try:
                for start in range(0, len(runs), BATCH):
                    taken |= self._send(runs[start : start + BATCH], now)
            finally:
                if refused := [run_id for run_id, _ in runs if run_id not in taken]:
                    self._let_go(refused)
            sent += len(taken)
            if len(taken) < AT_ONCE:  # no more are due, or SQS refuses some
                return sent

    def _send(self, runs: Sequence[tuple[str, datetime]], now: datetime) -> set[str]:
        entries = [
            {
                "Id": str(number),
                "MessageBody": json.dumps({"run_id": run_id}),
                "DelaySeconds": _delay(due_at, now),
            }
            for number, (run_id, due_at) in enumerate(runs)
        ]
        reply = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        for refused in reply.get("Failed", ()):
            log.error(
                "dispatch.refused",
                run_id=runs[int(refused["Id"])][0],
                reason=refused.get("Message") or refused["Code"],
            )
        return {runs[int(one["Id"])][0] for one in reply.get("Successful", ())}

    def arrived(self, run_id: str) -> None:
        """Note that the message for a run was used up without the run being claimed: a tick sends another."""
        self._let_go([run_id])

    def _let_go(self, run_ids: Sequence[str]) -> None:
        with self._store.write() as tx:
            in_flight.let_go(tx, run_ids)

    def reconcile(self) -> int:
        """Empty the dead-letter queue, so that its runs get another message; return how many it held."""
        emptied = 0
        for _ in range(DEAD_BATCHES):
            found = self._sqs.receive_message(QueueUrl=self._url + DEAD, MaxNumberOfMessages=BATCH).get(
                "Messages", []
            )
            if not found:
                break
            bodies = [run_of(message["Body"]) for message in found]
            self._let_go([run_id for run_id in bodies if run_id])
            handles = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url + DEAD, Entries=handles)
            emptied += len(found)
            log.error("dispatch.dead_letters_found", run_ids=bodies)
        return emptied


def _delay(due_at: datetime, now: datetime) -> int:
    """Return the whole seconds to hold a message back, so that it arrives when its run is due."""
    return math.ceil(min(max(due_at - now, timedelta()), LONGEST_DELAY).total_seconds())


def run_of(body: str) -> str | None:
    """Return the run that a message was sent for, or None if it is not a message of ours."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    run_id = said.get("run_id") if isinstance(said, dict) else None
    return run_id if isinstance(run_id, str) else None
