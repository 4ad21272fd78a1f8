from __future__ import annotations

from chalicelib.aws.dispatch import Dispatcher
from chalicelib.store import Store
from chalicelib.wakeup.sqs import SqsWakeUp
from chalicelib.wakeup.waker import Waker
from tests.conftest import ManualClock


class Noted:
    def __init__(self, notes: list[str], name: str) -> None:
        self._notes = notes
        self._name = name

    def notify(self) -> None:
        self._notes.append(self._name)


def test_a_wake_up_goes_by_every_way_in_order() -> None:
    notes: list[str] = []
    Waker([Noted(notes, "threads"), Noted(notes, "machine"), Noted(notes, "server")]).wake()
    assert notes == ["threads", "machine", "server"]


class Refusing(Dispatcher):
    asked = 0

    def dispatch(self) -> int:
        from botocore.exceptions import EndpointConnectionError

        self.asked += 1
        raise EndpointConnectionError(endpoint_url="http://queue.test")


def test_a_queue_that_refuses_costs_the_caller_nothing(store: Store, clock: ManualClock) -> None:
    refusing = Refusing(store, clock, "http://queue.test")
    SqsWakeUp(refusing, enabled=True).notify()
    assert refusing.asked == 1


def test_where_claiming_is_switched_off_no_message_is_sent(store: Store, clock: ManualClock) -> None:
    refusing = Refusing(store, clock, "http://queue.test")
    SqsWakeUp(refusing, enabled=False).notify()
    assert refusing.asked == 0
