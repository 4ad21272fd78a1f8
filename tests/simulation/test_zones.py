"""The schedule agrees with brute force where clocks jump. `make simulate ARGS=--zones` walks every zone."""

from __future__ import annotations

from tests.simulation import zones


def test_around_changes_of_odd_clocks_the_schedule_is_what_brute_force_finds() -> None:
    assert zones.walk(zones.sample(6, 2026)) == []
