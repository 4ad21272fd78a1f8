from __future__ import annotations

import pytest

from chalicelib.clock import iso
from chalicelib.errors import BudgetError, SauronError
from chalicelib.model.acts import Door, Outcome
from chalicelib.operations.acts import BEGUN, Act, AuditLog
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.store import Store, audit_log, history
from chalicelib.store.audit_log import Entry
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

YEARLY = "0 0 1 1 *"


def acts(store: Store) -> list[Entry]:
    with store.read() as tx:
        return audit_log.entries(tx, limit=1000)


def test_a_budget_is_counted_by_sender_from_the_log_and_says_when_to_come_back(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", YEARLY)

    def trigger(who: str) -> None:
        log = AuditLog(store, clock)  # a new one each time, as after a restart
        with log.recording(log.begin(who, Door.MCP, "trigger", "j", reason="r", budget=2)):
            Operations(store, clock).trigger("j", TriggerRequest(force=True))

    first = clock.now()
    trigger("jarvis")
    clock.move(minutes=10)
    trigger("jarvis")
    with pytest.raises(BudgetError, match="budget of 2") as caught:
        trigger("jarvis")
    assert caught.value.again == iso(first.replace(hour=first.hour + 1))
    trigger("other")
    clock.move(minutes=50)
    trigger("jarvis")
    with store.read() as tx:
        assert len(history.runs(tx, limit=99)) == 4
    assert [(one.who, one.outcome) for one in reversed(acts(store))] == [
        ("jarvis", "done"),
        ("jarvis", "done"),
        ("jarvis", "refused"),
        ("other", "done"),
        ("jarvis", "done"),
    ]


def test_a_budget_of_nothing_allows_nothing(store: Store, clock: ManualClock) -> None:
    log = AuditLog(store, clock)
    with (
        pytest.raises(BudgetError, match="is 0"),
        log.recording(log.begin("jarvis", Door.MCP, "sync", "bundle", budget=0)),
    ):
        pytest.fail("the act was begun")


def test_an_act_that_breaks_off_is_recorded_as_refused_without_its_details(
    store: Store, clock: ManualClock
) -> None:
    log = AuditLog(store, clock)
    with (
        pytest.raises(ZeroDivisionError),
        log.recording(log.begin(None, Door.HTTP, "sync", "bundle", reason="a\0b\ud800")),
    ):
        raise ZeroDivisionError("a detail")
    (entry,) = acts(store)
    assert (entry.who, entry.reason, entry.outcome) == ("anonymous", "ab?", "refused")
    assert entry.detail == "it failed inside Sauron (ZeroDivisionError)"


def test_old_acts_go_and_so_do_those_beyond_a_number(store: Store, clock: ManualClock) -> None:
    log = AuditLog(store, clock)
    for number in range(6):
        with log.recording(log.begin("a", Door.HTTP, "sync", str(number))):
            clock.move(days=1)
    with store.write() as tx:
        assert audit_log.prune(tx, before=clock.now(), keep=4, most=1) == 1
        assert audit_log.prune(tx, before=acts(store)[-1].at, keep=4, most=9) == 1
    assert [one.subject for one in acts(store)] == ["5", "4", "3", "2"]


def test_acts_that_last_keep_to_the_budget_also_at_once(store: Store, clock: ManualClock) -> None:
    log = AuditLog(store, clock)

    def sync() -> Act:
        return log.begin("jarvis", Door.MCP, "sync", "bundle", reason="r", budget=1, lasts=True)

    with log.recording(sync()):
        (under_way,) = acts(store)
        assert (under_way.outcome, under_way.detail) == (Outcome.DONE, BEGUN)
        with pytest.raises(BudgetError), log.recording(sync()):
            pytest.fail("the act was begun")
    assert [(one.outcome, one.detail is None) for one in acts(store)] == [("refused", False), ("done", True)]


def test_an_act_that_lasts_and_comes_to_nothing_costs_no_budget(store: Store, clock: ManualClock) -> None:
    log = AuditLog(store, clock)
    for _ in range(2):
        act = log.begin("jarvis", Door.MCP, "sync", "bundle", budget=1, lasts=True)
        with pytest.raises(SauronError, match="held"), log.recording(act):
            raise SauronError("it is held back")
    assert [(one.outcome, one.detail) for one in acts(store)] == [("refused", "it is held back")] * 2
