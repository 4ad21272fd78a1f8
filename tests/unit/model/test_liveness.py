"""When the clock counts as stopped, and when Sauron was down."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.model.liveness import is_stopped, is_ticking, was_down

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "stopped"), [(0, False), (60, False), (180, False), (180.1, True), (9999, True)]
)
def test_a_loop_that_did_nothing_for_more_than_three_minutes_has_stopped(
    seconds: float, stopped: bool
) -> None:
    silence = timedelta(seconds=seconds)
    assert is_stopped(silence) is stopped
    assert is_ticking(NOW - silence, NOW) is not stopped


@pytest.mark.parametrize(("seconds", "down"), [(0, False), (150, False), (150.001, True), (9999, True)])
def test_occurrences_were_missed_after_more_than_two_and_a_half_minutes_without_a_tick(
    seconds: float, down: bool
) -> None:
    assert was_down(NOW - timedelta(seconds=seconds), NOW) is down


def test_a_store_without_any_tick_is_not_ticking_and_was_never_down() -> None:
    assert not is_ticking(None, NOW)
    assert not was_down(None, NOW)
