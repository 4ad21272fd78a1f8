"""Whatever goes wrong while a bundle is synced is recorded; a caller's mistake is the caller's alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bundle.activation import Loaded
from chalicelib.bundle.sync import sync
from chalicelib.errors import UnknownRefError
from chalicelib.model.faults import FETCH, LOAD
from chalicelib.store import Store, bundle
from chalicelib.store.bundle import BundleState
from tests.conftest import ManualClock, job_record
from tests.unit.bundle.test_sync import Shelf

REMARK = {"file": "rows.csv", "line": None, "text": "a pointer", "cure": "commit the file"}


class BrokenShelf(Shelf):
    """A shelf whose steps raise what nobody foresaw."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    def _break(self, step: str) -> None:
        if step == self.step:
            raise RecursionError("maximum recursion depth exceeded")

    def lock(self) -> Any:
        self._break("lock")
        return super().lock()

    def fetch(self, ref: str | None) -> str:
        self._break("fetch")
        if ref == "no-such-branch":
            raise UnknownRefError("there is no 'no-such-branch'")
        return super().fetch(ref)

    def load(self, sha: str) -> Loaded:
        self._break("load")
        return super().load(sha)

    def retire(self, keep: Collection[str]) -> None:
        self._break("retire")
        super().retire(keep)


def state_of(store: Store) -> BundleState:
    with store.read() as tx:
        return bundle.state(tx)


@pytest.mark.parametrize(("step", "fault"), [("lock", FETCH), ("fetch", FETCH), ("load", LOAD)])
def test_an_exception_that_nobody_foresaw_is_a_recorded_failure(
    step: str, fault: str, store: Store, clock: ManualClock
) -> None:
    shelf = BrokenShelf(step)
    shelf.add(job_record("a", "@hourly"))
    for times in (1, 2):
        report = sync(store, clock, shelf)
        assert (report.success, report.fault) == (False, fault)
        assert "RecursionError" in report.message
        state = state_of(store)
        assert (state.last_error, state.consecutive_failures) == (report.message, times)
        assert (state.fault, state.active_sha) == (fault, None)


def test_a_definition_that_cannot_be_checked_is_a_recorded_failure(store: Store, clock: ManualClock) -> None:
    shelf = BrokenShelf("")
    shelf.add({"id": None})
    report = sync(store, clock, shelf)
    assert (report.success, report.fault) == (False, LOAD)
    assert state_of(store).last_error == report.message


def test_old_revisions_that_cannot_be_removed_cost_no_sync(store: Store, clock: ManualClock) -> None:
    shelf = BrokenShelf("retire")
    sha = shelf.add(job_record("a", "@hourly"))
    assert sync(store, clock, shelf).success
    assert (state_of(store).active_sha, state_of(store).last_error) == (sha, None)


def test_a_ref_that_is_not_there_is_the_answer_of_its_caller_and_nothing_else(
    store: Store, clock: ManualClock
) -> None:
    shelf = BrokenShelf("")
    shelf.add(job_record("a", "@hourly"))
    sync(store, clock, shelf)
    before = state_of(store)
    clock.move(minutes=1)
    report = sync(store, clock, shelf, ref="no-such-branch")
    assert (report.success, report.fault, report.sha) == (False, None, before.active_sha)
    assert "no-such-branch" in report.message
    assert state_of(store) == before


def test_a_pinned_branch_that_has_gone_is_a_failure(store: Store, clock: ManualClock) -> None:
    shelf = BrokenShelf("")
    shelf.add(job_record("a", "@hourly"))
    sync(store, clock, shelf)
    with store.write() as tx:
        bundle.change(tx, pinned_ref="no-such-branch")
    assert sync(store, clock, shelf, follow_pin=True).fault == FETCH
    assert state_of(store).consecutive_failures == 1


def test_a_sync_asked_for_with_a_ref_counts_as_a_try(store: Store, clock: ManualClock) -> None:
    shelf = BrokenShelf("")
    sha = shelf.add(job_record("a", "@hourly"))
    assert sync(store, clock, shelf, ref=sha).success
    assert state_of(store).tried_at == clock.now()
    shelf.step = "load"
    other = shelf.add(job_record("b", "@hourly"))
    clock.move(minutes=1)
    assert not sync(store, clock, shelf, ref=other).success
    assert (state_of(store).tried_at, state_of(store).consecutive_failures) == (clock.now(), 1)


def test_the_branch_that_was_found_is_remembered(store: Store, clock: ManualClock) -> None:
    shelf = BrokenShelf("load")
    shelf.add(job_record("a", "@hourly"))
    shelf.followed = "master"
    sync(store, clock, shelf)
    assert state_of(store).branch == "master"
    shelf.step, shelf.followed = "fetch", None
    sync(store, clock, shelf)
    assert state_of(store).branch == "master"
    shelf.step, shelf.followed = "", "main"
    sync(store, clock, shelf)
    assert state_of(store).branch == "main"


def test_remarks_are_in_the_report_and_stay_with_the_revision(store: Store, clock: ManualClock) -> None:
    shelf = BrokenShelf("")
    sha = shelf.add(job_record("a", "@hourly"))
    loaded = shelf.revisions[sha]
    assert isinstance(loaded, Loaded)
    shelf.revisions[sha] = replace(loaded, remarks=[REMARK])
    assert sync(store, clock, shelf).remarks == (REMARK,)
    assert sync(store, clock, shelf).remarks == (REMARK,)
    assert state_of(store).remarks == (REMARK,)
    shelf.add(job_record("a", "@hourly"))
    assert sync(store, clock, shelf).remarks == ()
    assert state_of(store).remarks == ()
