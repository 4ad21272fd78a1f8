"""Chains: the end of a run asks for the jobs that follow, once, whatever ended it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from chalicelib.answers import ask_why
from chalicelib.answers.audit import audit
from chalicelib.model.runs import Origin, Outcome, Run, RunState, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.scheduling.tick import tick
from chalicelib.settings import Settings
from chalicelib.store import Store, history, ledger, registry
from chalicelib.store.queue import chains, claims, finish
from chalicelib.store.schema import job_queue
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

GOOD = Verdict(Outcome.SUCCEEDED, result={"rows": 3})


def flow(store: Store, clock: ManualClock) -> int:
    with store.write() as tx:
        return chains.flow(tx, now=clock.now())


def work(store: Store, clock: ManualClock, ends: dict[str, Verdict] | None = None) -> list[str]:
    """Run what is due to its end, chains included, and return the jobs in their order."""
    ran: list[str] = []
    while True:
        with store.write() as tx:
            claim = claims.claim(tx, owner="me", now=clock.now())
            if claim.run is not None:
                verdict = (ends or {}).get(claim.run.job_id, GOOD)
                finish.finish(tx, claim.run, verdict, owner="me", now=clock.now(), retry_at=None)
                ran.append(claim.run.job_id)
        if claim.run is None and not claim.decided and not flow(store, clock):
            return ran
        flow(store, clock)


def runs(store: Store, job_id: str) -> list[Run]:
    with store.read() as tx:
        return list(reversed(history.runs(tx, job_id=job_id)))


def minute(store: Store, clock: ManualClock) -> None:
    clock.move(seconds=60)
    tick(store, clock)


def follower(store: Store, clock: ManualClock, job_id: str, *after: str, **fields: Any) -> None:
    define(store, clock, job_id, "", after=list(after), **fields)


def test_a_good_end_asks_for_the_next_with_its_time_and_what_its_parents_say(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a")
    follower(store, clock, "b", "a")
    follower(store, clock, "c", "b")
    minute(store, clock)
    assert work(store, clock) == ["a", "b", "c"]
    assert flow(store, clock) == 0
    (a,), (b,), (c,) = (runs(store, job)[:1] for job in "abc")
    assert (b.origin, b.scheduled_for, c.scheduled_for) == (Origin.CHAIN, a.fire_at, a.fire_at)
    assert b.parents == {"a": {"run_id": a.id, "state": "succeeded", "result": {"rows": 3}}}


def test_what_did_not_end_well_skips_the_whole_chain_with_the_reason(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a", overlap="allow")
    follower(store, clock, "b", "a")
    follower(store, clock, "c", "b")
    minute(store, clock)
    assert work(store, clock, {"a": Verdict(Outcome.FAILED, error="no")}) == ["a"]
    a, b, c = (runs(store, job)[0] for job in "abc")
    assert (b.state, b.reason) == (
        RunState.SKIPPED,
        f"a, which it follows, failed (run {a.id})",
    )
    assert (c.state, c.reason) == (RunState.SKIPPED, f"b, which it follows, was skipped (run {b.id})")


def test_several_parents_must_all_end_well_for_the_same_occurrence(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a")
    define(store, clock, "b")
    follower(store, clock, "both", "a", "b")
    minute(store, clock)
    assert work(store, clock) == ["a", "b", "both"]
    minute(store, clock)
    assert work(store, clock, {"b": Verdict(Outcome.TIMED_OUT)}) == ["a", "b"]
    done, skipped = runs(store, "both")[:2]
    assert set(done.parents or {}) == {"a", "b"}
    assert (skipped.state, skipped.scheduled_for) == (RunState.SKIPPED, runs(store, "a")[1].fire_at)
    Operations(store, clock).trigger("a")
    assert work(store, clock) == ["a"]


def test_a_gap_of_the_parent_is_one_gap_of_the_child(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", catchup="none")
    follower(store, clock, "b", "a")
    tick(store, clock)
    clock.move(hours=1)
    tick(store, clock)
    flow(store, clock)
    gap, parent = runs(store, "b")[0], runs(store, "a")[0]
    assert (gap.state, gap.gap_from, gap.gap_count) == (RunState.SKIPPED, parent.gap_from, parent.gap_count)
    assert gap.scheduled_for == parent.fire_at


def test_a_trigger_leads_on_unless_it_says_not_to_and_a_retry_keeps_the_time(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    follower(store, clock, "b", "a")
    operations = Operations(store, clock)
    operations.trigger("a", TriggerRequest(chain=False))
    assert work(store, clock) == ["a"]
    operations.trigger("a")
    assert work(store, clock, {"a": Verdict(Outcome.FAILED)}) == ["a"]
    failed = runs(store, "a")[-1]
    clock.move(seconds=30)
    operations.retry(failed.id)
    assert work(store, clock) == ["a", "b"]
    assert runs(store, "b")[-1].scheduled_for == failed.created_at


def test_a_child_that_is_off_or_paused_gets_a_skipped_row(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    follower(store, clock, "b", "a")
    operations = Operations(store, clock)
    operations.disable("b")
    operations.trigger("a")
    assert work(store, clock) == ["a"]
    operations.enable("b")
    operations.pause(SwitchRequest())
    operations.trigger("a", TriggerRequest(force=True))
    assert work(store, clock) == ["a"]
    assert [run.reason for run in runs(store, "b")] == ["disabled", "paused"]


def holes(store: Store, clock: ManualClock) -> tuple[tuple[str, Any], ...]:
    with store.read() as tx:
        return tuple((hole.job_id, hole.fire_at) for hole in audit(tx, now=clock.now()).holes)


def test_a_parent_that_is_off_has_no_run_and_the_child_a_skipped_row(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a")
    define(store, clock, "b")
    follower(store, clock, "between", "b")
    follower(store, clock, "far", "a", "between")
    follower(store, clock, "near", "a", "b")
    tick(store, clock)
    work(store, clock)
    Operations(store, clock).disable("b")
    clock.move(minutes=3)
    tick(store, clock)
    assert "near" not in work(store, clock)
    last = [run for run in runs(store, "a") if run.state is RunState.SUCCEEDED][-1]
    near, far = runs(store, "near")[-1], runs(store, "far")[-1]
    assert (near.state, near.reason, near.scheduled_for) == (
        RunState.SKIPPED,
        "b, which it follows, was disabled",
        last.fire_at,
    )
    assert (far.reason, far.scheduled_for) == ("between, which it follows, had no run then", last.fire_at)
    tick(store, clock)
    assert holes(store, clock) == ()
    with store.write() as tx:
        tx.execute(delete(job_queue).where(job_queue.c.id == near.id))
    assert holes(store, clock) == (("near", last.fire_at),)


@pytest.mark.parametrize("comes", [True, False])
def test_a_child_waits_for_a_parent_whose_row_a_tick_has_yet_to_write(
    store: Store, clock: ManualClock, *, comes: bool
) -> None:
    define(store, clock, "a")
    define(store, clock, "b")
    follower(store, clock, "both", "a", "b")
    clock.move(seconds=60)
    with store.write() as tx:  # a crash between two batches of a tick
        a = registry.job(tx, "a")
        assert a is not None
        ledger.fill(tx, [a], now=clock.now(), until=clock.now())
        tx.execute(delete(job_queue).where(job_queue.c.job_id == "b"))
        registry.rewind(tx, "b", before=clock.now() - timedelta(seconds=30))
    assert work(store, clock) == ["a"]
    assert (runs(store, "both"), holes(store, clock)) == ([], ())
    if comes:
        tick(store, clock)
        assert work(store, clock) == ["b", "both"]
        return
    with store.write() as tx:  # an update of the machine dropped its zone: nothing will note its end
        b = registry.job(tx, "b")
        assert b is not None
        registry.put(tx, dataclasses.replace(b, next_fire_at=None, rejected="its zone is gone"))
    flow(store, clock)
    assert [run.state for run in runs(store, "both")] == [RunState.SKIPPED]


def test_audit_finds_a_child_that_was_not_asked_for(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a")
    follower(store, clock, "b", "a")
    minute(store, clock)
    work(store, clock)
    minute(store, clock)
    with store.read() as tx:
        assert audit(tx, now=clock.now()).holes == ()
    lost = runs(store, "b")[0]
    with store.write() as tx:
        tx.execute(delete(job_queue).where(job_queue.c.id == lost.id))
    with store.read() as tx:
        (hole,) = audit(tx, now=clock.now() + timedelta(seconds=1)).holes
    assert (hole.job_id, hole.fire_at) == ("b", lost.scheduled_for)


def test_why_tells_of_the_chain(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a")
    follower(store, clock, "b", "a")
    settings = Settings.read({})

    def asked(at: str | None = None) -> dict[str, Any]:
        with store.read() as tx:
            return ask_why.answer(tx, "b", at, now=clock.now(), settings=settings)

    assert (asked()["answer"], "after a" in asked()["sentence"]) == ("not_due", True)
    minute(store, clock)
    work(store, clock, {"a": Verdict(Outcome.FAILED)})
    assert asked()["answer"] == "skipped"
    assert "a, which it follows, failed" in asked("2026-03-02T12:01:00Z")["sentence"]
    clock.move(seconds=60)
    tick(store, clock)
    work(store, clock)
    assert asked()["answer"] == "ran"
