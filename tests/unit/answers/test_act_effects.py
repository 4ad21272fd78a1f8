from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event

from chalicelib.answers.act_effects import ActEffect, effects
from chalicelib.clock import iso
from chalicelib.errors import UntilError
from chalicelib.model.acts import Door
from chalicelib.model.runs import Outcome, Run, Verdict
from chalicelib.operations import acts
from chalicelib.operations.acts import Act, AuditLog
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, audit_log, bundle, ledger, registry
from chalicelib.store.queue import claims, finish
from chalicelib.store.schema import job_queue, metadata
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

YEARLY = "0 0 1 1 *"
SHA, OTHER = "a" * 40, "b" * 40


@dataclass
class Desk:
    """Does acts as the doors do, and asks what came of them."""

    store: Store
    clock: ManualClock

    @property
    def operations(self) -> Operations:
        return Operations(self.store, self.clock)

    def act(self, name: str, subject: str, who: str = "ann") -> AbstractContextManager[Act]:
        log = AuditLog(self.store, self.clock)
        return log.recording(log.begin(who, Door.HTTP, name, subject))

    def trigger(self, key: str | None = None, who: str = "ann") -> Run:
        with self.act("trigger", "j", who):
            return self.operations.trigger("j", TriggerRequest(reason="x: y", idempotency_key=key))

    def cancel(self, run: Run) -> None:
        with self.act("cancel", run.id[:13]):
            self.operations.cancel(run.id, by="ann")

    def switch(self, name: str, who: str = "ann", until: timedelta | None = None) -> None:
        with self.act(name, "j", who):
            does = getattr(self.operations, name)
            does("j", SwitchRequest(until=self.clock.now() + until if until else None))

    def pause(self, who: str = "ann", until: timedelta | None = None) -> None:
        with self.act("pause", "everything", who):
            self.operations.pause(SwitchRequest(until=self.clock.now() + until if until else None))

    def unpause(self, who: str = "ann") -> None:
        with self.act("unpause", "everything", who):
            self.operations.unpause(by=who)

    def sync(self, **result: Any) -> None:
        with self.act("sync", "bundle"):
            acts.led_to(**result)

    def claim(self) -> Run:
        with self.store.write() as tx:
            run = claims.claim(tx, owner="runner-1", now=self.clock.now()).run
        assert run is not None
        return run

    def end(self, run: Run, outcome: Outcome, error: str | None = None, again: float | None = None) -> None:
        retry_at = self.clock.now() + timedelta(seconds=again) if again else None
        with self.store.write() as tx:
            verdict = Verdict(outcome, error=error)
            assert finish.finish(tx, run, verdict, owner="runner-1", now=self.clock.now(), retry_at=retry_at)

    def activate(self, sha: str, **state: Any) -> None:
        with self.store.write() as tx:
            bundle.add_revision(tx, sha, [], [], subject=None, author=None, now=self.clock.now())
            bundle.mark_activated(tx, sha, now=self.clock.now())
            bundle.change(tx, active_sha=sha, **state)

    def effects(self) -> list[ActEffect | None]:
        """Return what came of each act, the first act first."""
        with self.store.read() as tx:
            found = audit_log.entries(tx, limit=1000)
            came = effects(tx, found, now=self.clock.now())
        return [came.get(one.id) for one in reversed(found)]

    def says(self) -> list[str | None]:
        return [one.text if one else None for one in self.effects()]


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    define(store, clock, "j", YEARLY)
    return Desk(store, clock)


def test_a_trigger_says_how_its_run_stands_from_waiting_to_its_end(desk: Desk, clock: ManualClock) -> None:
    made = desk.trigger()
    clock.move(minutes=3)
    assert desk.effects() == [ActEffect("waiting for {}", ("3 min",), "queued", made.id)]
    run = desk.claim()
    clock.move(minutes=2, seconds=5)
    assert desk.says() == ["running for 2 min 5 s"]
    desk.end(run, Outcome.FAILED, "the disk is full\nTraceback", again=90)
    assert desk.says() == ["tries again in 90 s"]
    clock.move(seconds=90)
    run = desk.claim()
    clock.move(seconds=4)
    assert desk.says() == ["running for 3 min 39 s, attempt 2"]
    desk.end(run, Outcome.SUCCEEDED)
    clock.move(hours=1)
    assert desk.effects() == [
        ActEffect("succeeded in {}, attempt 2", ("3 min 39 s",), "succeeded", made.id),
    ]


@pytest.mark.parametrize(
    ("outcome", "error", "says"),
    [
        (Outcome.SUCCEEDED, None, "succeeded in 4.0 s"),
        (Outcome.DEGRADED, None, "degraded after 4.0 s"),
        (Outcome.FAILED, "no {} in the <disk>\nmore", "failed after 4.0 s: no {} in the <disk>"),
        (Outcome.TIMED_OUT, "It took longer than 4 s.", "timed out after 4.0 s: It took longer than 4 s"),
    ],
)
def test_an_end_is_told_with_its_time_and_the_first_line_of_its_error(
    desk: Desk, clock: ManualClock, outcome: Outcome, error: str | None, says: str
) -> None:
    desk.trigger()
    run = desk.claim()
    clock.move(seconds=4)
    desk.end(run, outcome, error)
    assert desk.says() == [says]


def test_a_retry_says_how_the_new_run_stands_and_not_the_one_that_it_repeats(
    desk: Desk, clock: ManualClock
) -> None:
    former = desk.trigger()
    desk.end(desk.claim(), Outcome.FAILED, "it broke")
    with desk.act("retry", former.id):
        made = desk.operations.retry(former.id, by="ann")
    again = desk.claim()
    clock.move(seconds=1)
    desk.end(again, Outcome.SUCCEEDED)
    assert desk.says() == ["failed after 0.0 s: it broke", "succeeded in 1.0 s"]
    assert [one and one.run_id for one in desk.effects()] == [former.id, made.id]


def test_a_repeated_request_says_that_the_run_was_there(desk: Desk, clock: ManualClock) -> None:
    run = desk.trigger(key="k")
    with desk.act("retry", "x"):
        desk.end(desk.claim(), Outcome.FAILED)
        again = desk.operations.retry(run.id, idempotency_key="r")
    assert desk.trigger(key="k", who="bot").id == run.id
    with desk.act("retry", "x"):
        assert desk.operations.retry(run.id, idempotency_key="r").id == again.id
    assert desk.says() == [
        "failed after 0.0 s",
        "waiting for 0 s",
        "an earlier request had made the run: failed after 0.0 s",
        "an earlier request had made the run: waiting for 0 s",
    ]


def test_what_a_policy_did_with_a_run_is_told_with_its_reason(desk: Desk) -> None:
    run = desk.trigger()
    with desk.store.write() as tx:
        ended = {"state": "skipped", "finished_at": desk.clock.now(), "reason": "overlap: run 1; x: y"}
        tx.execute(job_queue.update().where(job_queue.c.id == run.id).values(ended))
    assert desk.effects() == [ActEffect("{}: {}", ("skipped", "overlap: run 1"), "skipped", run.id)]


def test_a_run_that_is_deleted_is_said_to_be_gone(desk: Desk) -> None:
    desk.trigger()
    with desk.store.write() as tx:
        tx.execute(delete(job_queue))
    assert desk.effects() == [ActEffect("the run is not kept any more")]


def test_a_cancel_says_whether_the_run_ended_by_it(desk: Desk, clock: ManualClock) -> None:
    waiting = desk.trigger()
    desk.cancel(waiting)
    obeys = desk.trigger()
    running = desk.claim()
    desk.cancel(obeys)
    assert desk.says()[1::2] == ["cancelled while it waited", "it is being stopped"]
    clock.move(seconds=3)
    desk.end(running, Outcome.CANCELLED)
    finishes = desk.trigger()
    running = desk.claim()
    desk.cancel(finishes)
    clock.move(seconds=0.4)
    desk.end(running, Outcome.SUCCEEDED)
    assert desk.says() == [
        "cancelled by ann before it began",
        "cancelled while it waited",
        "cancelled by ann after 3.0 s",
        "cancelled 3.0 s later",
        "succeeded in 0.4 s",
        "succeeded 0.4 s later, before it was stopped",
    ]
    assert [one and one.run_id for one in desk.effects()][1::2] == [waiting.id, obeys.id, finishes.id]


def test_a_cancel_that_is_refused_says_nothing_but_the_refusal(desk: Desk) -> None:
    run = desk.trigger()
    desk.end(desk.claim(), Outcome.SUCCEEDED)
    with pytest.raises(Exception, match="succeeded"):
        desk.cancel(run)
    assert desk.says() == ["succeeded in 0.0 s", None]


def test_a_switch_is_in_force_until_its_end_and_then_git_decides(desk: Desk, clock: ManualClock) -> None:
    end = clock.now() + timedelta(hours=2)
    desk.switch("disable", until=timedelta(hours=2))
    assert desk.effects() == [ActEffect("off until {}", (end,), "off")]
    clock.move(hours=2)
    assert desk.says() == [f"ended {iso(end)}; git decides since"]  # also before the tick that does it
    tick(desk.store, clock)
    clock.move(hours=1)
    assert desk.says() == [f"ended {iso(end)}; git decides since"]
    desk.switch("disable", who="bob")
    assert desk.says() == [
        f"ended {iso(end)}; git decides since",
        "off until somebody switches it again",
    ]


def test_a_switch_says_who_ended_it_and_how_much_later(desk: Desk, clock: ManualClock) -> None:
    desk.switch("disable", until=timedelta(days=2))
    clock.move(minutes=30)
    desk.switch("disable", who="bob")
    clock.move(hours=3)
    desk.switch("enable", who="{}")
    clock.move(minutes=5)
    assert desk.says()[:2] == ["replaced by bob 30 min later", "switched on by {} 3 h later"]
    assert desk.effects()[-1] == ActEffect("on until somebody switches it again", mark="well")
    desk.switch("disable")
    assert desk.says()[-2] == "switched off by ann 5 min later"
    clock.move(days=3)  # the end that the first was to have is past
    assert desk.says()[0] == "replaced by bob 30 min later"


def test_the_switch_of_a_job_that_left_is_not_said_to_be_in_force(desk: Desk, clock: ManualClock) -> None:
    desk.switch("disable")
    with desk.store.write() as tx:
        job = registry.job(tx, "j")
        assert job is not None
        ledger.retire(tx, job, now=clock.now())
    assert desk.says() == ["no job of the bundle has this id any more"]


def test_a_new_definition_ends_no_switch(desk: Desk, clock: ManualClock) -> None:
    desk.switch("disable")
    clock.move(hours=1)
    define(desk.store, clock, "j", "5 5 * * *", description="another")
    assert desk.says() == ["off until somebody switches it again"]


def test_a_pause_is_in_force_until_it_ends_is_ended_or_replaced(desk: Desk, clock: ManualClock) -> None:
    end = clock.now() + timedelta(hours=1)
    desk.pause(until=timedelta(hours=1))
    assert desk.effects() == [ActEffect("in force until {}", (end,), "off")]
    clock.move(hours=2)
    assert desk.says() == [f"ended {iso(end)}"]
    desk.unpause()
    desk.pause(who="bob")
    with pytest.raises(UntilError):
        desk.pause(until=timedelta(hours=-1))
    assert desk.says()[1:] == ["there was no pause", "in force until somebody ends it", None]
    clock.move(minutes=3)
    desk.pause(who="eve", until=timedelta(days=1))
    clock.move(minutes=4)
    desk.unpause()
    assert desk.says()[2:] == [
        "replaced by eve 3 min later",
        None,
        "ended by ann 4 min later",
        "runs start again",
    ]
    clock.move(minutes=5)
    desk.pause(who="bob")
    assert desk.says()[5] == "paused again by bob 5 min later"


def test_a_sync_says_which_revision_it_brought_how_that_stands_and_what_changed(desk: Desk) -> None:
    desk.activate(SHA)
    desk.sync(revision=SHA, unchanged=False, added=2, removed=0, rescheduled=1)
    desk.sync(revision=SHA, unchanged=True, added=0, removed=0, rescheduled=0)
    assert desk.effects() == [
        ActEffect("{} in force, 2 jobs added, 1 job rescheduled", (SHA[:7],), "well", revision=SHA),
        ActEffect("{} in force, it was in force before", (SHA[:7],), "well", revision=SHA),
    ]
    desk.activate(OTHER, pinned_ref="fix")
    desk.sync(revision=OTHER, unchanged=False, added=0, removed=1, rescheduled=0)
    assert desk.says() == [
        "aaaaaaa replaced since, 2 jobs added, 1 job rescheduled",
        "aaaaaaa replaced since, it was in force before",
        "bbbbbbb in force, pinned, 1 job removed",
    ]


def test_a_push_says_whether_its_commit_was_activated(desk: Desk) -> None:
    desk.sync(pushed=SHA)
    with desk.store.write() as tx:  # it booted, and was held back
        bundle.add_revision(tx, SHA, [], [], subject=None, author=None, now=desk.clock.now())
    assert desk.effects() == [ActEffect("{} was not activated", (SHA[:7],))]
    desk.activate(SHA)
    assert desk.effects() == [ActEffect("{} in force", (SHA[:7],), "well", revision=SHA)]


def test_of_acts_that_noted_nothing_nothing_is_said(desk: Desk) -> None:
    """Those of an earlier version, and those that make nothing."""
    with desk.act("drain", "runner-1"):
        pass
    with desk.act("disable", "j"):
        pass
    with desk.act("pause", "everything"):
        pass
    assert desk.effects() == [None, None, None]


def many(desk: Desk, times: int) -> None:
    for number in range(times):
        desk.cancel(desk.trigger())
        desk.switch("disable", until=timedelta(hours=1))
        desk.switch("enable")
        desk.clock.move(seconds=1)
        desk.pause()
        desk.unpause()
        desk.sync(revision=SHA, unchanged=True)
        desk.sync(pushed=f"{number:040}")


def test_many_acts_take_as_many_statements_as_few_and_all_are_by_index(
    desk: Desk, clock: ManualClock
) -> None:
    asked: list[tuple[str, Any]] = []
    counts = []
    many(desk, 1)
    for times in (0, 20):
        many(desk, times)
        with desk.store.read() as tx:
            found = audit_log.entries(tx, limit=1000)

            def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
                asked.append((statement, parameters))

            asked.clear()
            event.listen(tx, "before_cursor_execute", note)
            effects(tx, found, now=clock.now())
            event.remove(tx, "before_cursor_execute", note)
            counts.append(len(asked))
            if not desk.store.sqlite:
                continue
            plans = [
                " ".join(str(row) for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given))
                for said, given in asked
            ]
            scanned = {table for plan in plans for table in re.findall(r"SCAN (\w+)", plan)}
            assert scanned & {*metadata.tables, "later"} == {"bundle_state"}  # which has one row
            assert sum("ix_audit_log_subject (subject=? AND id>?)" in plan for plan in plans) == 2
    assert counts[0] == counts[1] <= 9
