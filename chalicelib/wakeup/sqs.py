"""Waking Lambda's workers by SQS. What SQS or the store refuses now, a later tick or upkeep does."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import logs
from chalicelib.aws.dispatch import Dispatcher
from chalicelib.clock import Clock
from chalicelib.settings import Settings
from chalicelib.store import Store

log = logs.get(__name__)


class SqsWakeUp:
    """The queue of Lambda's workers. `enabled` is False where claiming is switched off: none is woken."""

    def __init__(self, dispatcher: Dispatcher, *, enabled: bool) -> None:
        self._dispatcher = dispatcher
        self._enabled = enabled

    def notify(self) -> None:
        """Send a message for every run that is due soon and has none in flight."""
        self._attempt(self._dispatcher.dispatch)

    def reconcile(self) -> None:
        """Empty the dead-letter queue: its runs get a message again while they are queued."""
        self._attempt(self._dispatcher.reconcile)

    def message_unused(self, run_id: str) -> None:
        """Note that the message for a run was used up without claiming it. Raises SQLAlchemyError."""
        self._dispatcher.arrived(run_id)

    def _attempt(self, act: Callable[[], object]) -> None:
        if not self._enabled:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            act()
        except (BotoCoreError, ClientError, SQLAlchemyError) as error:
            log.error("dispatch.failed", reason=str(error))  # noqa: TRY400 - the reason is enough


def sqs_wake_up(store: Store, clock: Clock, settings: Settings) -> SqsWakeUp | None:
    """Return the queue that the settings name, None where no Lambda works."""
    if settings.sqs_queue_url is None:
        return None
    return SqsWakeUp(Dispatcher(store, clock, settings.sqs_queue_url), enabled=settings.queue_enabled)
