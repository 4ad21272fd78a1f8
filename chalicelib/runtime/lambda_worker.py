"""One SQS message on Lambda: claim the first run that is due, execute it, dispatch what is due then.

The lease is renewed by a thread that lives as long as the attempt, because between messages the whole process
is frozen. An attempt is ended before the function's own deadline, so that its end is recorded. A message that
finds nothing to claim, or cannot be read, is done with; the tick sends others for what is still queued.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

from chalicelib import logs
from chalicelib.aws.dispatch import run_of
from chalicelib.wiring import Sauron

log = logs.get(__name__)

METER_SECONDS = 1.0  # for a look at the processes that is under way
RESERVE_SECONDS = 20.0  # of the function's time, to end an attempt's processes and record it


def work(sauron: Sauron, body: str, *, left_seconds: Callable[[], float]) -> None:
    """Do what a message asks for; `left_seconds` returns how long this invocation may still take.

    Raises SQLAlchemyError.
    """
    try:
        _work(sauron, body, left_seconds)
    finally:
        sauron.store.close()  # hundreds of frozen processes would each hold a connection


def _work(sauron: Sauron, body: str, left_seconds: Callable[[], float]) -> None:
    reserve = sauron.settings.kill_grace.total_seconds() + RESERVE_SECONDS
    run_id = run_of(body)
    if run_id is None:
        log.warning("message.rejected", chars=len(body))
    runs, decided = sauron.worker.claim(1) if sauron.settings.queue_enabled else ([], False)
    while decided and not runs:
        runs, decided = sauron.worker.claim(1)
    with _leases_renewed(sauron):
        for run in runs:
            sauron.worker.execute(run, left=lambda: timedelta(seconds=max(0.0, left_seconds() - reserve)))
    if sauron.sqs is not None and run_id and run_id not in [run.id for run in runs]:
        sauron.sqs.message_unused(run_id)
    if runs:
        sauron.duties.follow_chains()
        sauron.waker.wake()
        # this process and its /tmp serve one revision at a time
        sauron.revisions.get().retire([run.revision for run in runs if run.revision])


@contextlib.contextmanager
def _leases_renewed(sauron: Sauron) -> Iterator[None]:
    stopping = threading.Event()
    attempts = sauron.worker.running_attempts
    loops = {"lease-renewer": attempts.renew_leases, "usage-meter": sauron.worker.usage_meter.run}
    threads = [
        threading.Thread(target=loop, args=(stopping,), name=name, daemon=True)
        for name, loop in loops.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        attempts.wake()
        threads[0].join()
        threads[1].join(METER_SECONDS)
