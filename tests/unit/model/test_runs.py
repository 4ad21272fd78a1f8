"""Runs as values: their states, and their ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from chalicelib.model.runs import (
    BAD,
    EXECUTED,
    FAILURES,
    FINAL,
    GOOD,
    UNFINISHED,
    Outcome,
    RunIds,
    RunState,
    ids_with,
    new_run_id,
    run_ids_of,
)


def test_every_executed_state_but_cancelled_is_either_good_or_bad() -> None:
    assert {*GOOD, *BAD, RunState.CANCELLED} == EXECUTED
    assert not set(GOOD) & set(BAD)
    assert set(RunState) == FINAL | UNFINISHED


def test_a_failure_of_an_attempt_is_what_ends_a_run_badly() -> None:
    assert [str(outcome) for outcome in FAILURES] == [str(state) for state in BAD]
    assert Outcome.INTERRUPTED not in FAILURES


@pytest.mark.slow
def test_run_ids_are_uuids_of_version_7_that_sort_by_creation_also_between_threads() -> None:
    ids = [new_run_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert {UUID(one).version for one in ids} == {7}
    with ThreadPoolExecutor(8) as threads:
        many = list(threads.map(lambda _number: new_run_id(), range(5000)))
    assert len({*ids, *many}) == 10_000


@pytest.mark.parametrize(
    ("prefix", "low", "high"),
    [
        ("0197", "01970000-0000-0000-0000-000000000000", "0197ffff-ffff-ffff-ffff-ffffffffffff"),
        ("0197A3F2-", "0197a3f2-0000-0000-0000-000000000000", "0197a3f2-ffff-ffff-ffff-ffffffffffff"),
        ("0197a3f2-6c", "0197a3f2-6c00-0000-0000-000000000000", "0197a3f2-6cff-ffff-ffff-ffffffffffff"),
        ("0197a3f26c", "0197a3f2-6c00-0000-0000-000000000000", "0197a3f2-6cff-ffff-ffff-ffffffffffff"),
        (
            "0197A3F26C1D7000800000000000ABCD",
            "0197a3f2-6c1d-7000-8000-00000000abcd",
            "0197a3f2-6c1d-7000-8000-00000000abcd",
        ),
    ],
)
def test_the_first_letters_of_an_id_are_a_range_of_ids(prefix: str, low: str, high: str) -> None:
    assert ids_with(prefix) == (low, high)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "019",
        "0-97",
        "0197_",
        "0197%",
        "019g",
        "0197a3f26-c",
        "\u0661\u0661\u0661\u0661",
        "0" * 33,
        "----",
    ],
)
def test_other_texts_are_the_beginning_of_no_id(prefix: str) -> None:
    assert ids_with(prefix) is None


def test_ids_can_be_foreseen_where_time_and_chance_are_given() -> None:
    with run_ids_of(RunIds(lambda: 1_700_000_000_000, lambda _bits: 5)):
        first, second = new_run_id(), new_run_id()
    assert first == "018bcfe5-6800-7005-8000-000000000005"
    assert second == "018bcfe5-6800-7006-8000-000000000005"
    assert new_run_id() > second
