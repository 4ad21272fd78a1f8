"""Runs as values: their states, and their ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from chalicelib.model.runs import (
    BAD,
    EXECUTED,
    FAILURES,
    FINAL,
    GOOD,
    UNFINISHED,
    Outcome,
    RunState,
    new_run_id,
)


def test_every_executed_state_but_cancelled_is_either_good_or_bad() -> None:
    assert {*GOOD, *BAD, RunState.CANCELLED} == EXECUTED
    assert not set(GOOD) & set(BAD)
    assert set(RunState) == FINAL | UNFINISHED


def test_a_failure_of_an_attempt_is_what_ends_a_run_badly() -> None:
    assert [str(outcome) for outcome in FAILURES] == [str(state) for state in BAD]
    assert Outcome.INTERRUPTED not in FAILURES


def test_run_ids_are_uuids_of_version_7_that_sort_by_creation_also_between_threads() -> None:
    ids = [new_run_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert {UUID(one).version for one in ids} == {7}
    with ThreadPoolExecutor(8) as threads:
        many = list(threads.map(lambda _number: new_run_id(), range(5000)))
    assert len({*ids, *many}) == 10_000
