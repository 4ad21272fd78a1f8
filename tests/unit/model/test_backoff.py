"""The delays between tries: their size, their ceiling and their spread."""

from datetime import timedelta

import pytest

from chalicelib.model.backoff import Backoff, retry_delay, stable_fraction

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RUNS = [f"run-{number}" for number in range(500)]


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(0, 60), (1, 60), (2, 120), (3, 240), (4, 480), (5, 960), (6, 1920), (7, 3600), (8, 3600), (40, 3600)],
)
def test_the_delay_after_a_failed_attempt_doubles_from_the_base_to_an_hour(
    attempt: int, seconds: int
) -> None:
    for run_id in RUNS:
        assert (
            timedelta(seconds=seconds)
            <= retry_delay(MINUTE, attempt, run_id)
            <= timedelta(seconds=seconds * 1.1)
        )


@pytest.mark.parametrize(
    ("base", "expected"),
    [(timedelta(), timedelta()), (2 * HOUR, HOUR), (HOUR, HOUR)],
    ids=["0", "7200", "3600"],
)
@pytest.mark.parametrize("attempt", [1, 2, 40])
def test_no_base_means_no_delay_and_none_is_longer_than_an_hour(
    base: timedelta, expected: timedelta, attempt: int
) -> None:
    assert expected <= retry_delay(base, attempt, "run") <= expected * 1.1


def test_the_delay_of_a_run_is_stable_and_runs_that_failed_together_spread_over_the_whole_range() -> None:
    delays = [retry_delay(MINUTE, 1, run_id).total_seconds() for run_id in RUNS]
    assert delays == [retry_delay(MINUTE, 1, run_id).total_seconds() for run_id in RUNS]
    assert len(set(delays)) == len(RUNS)
    assert min(delays) < 60.5
    assert max(delays) > 65.5
    assert retry_delay(MINUTE, 8, "a") != retry_delay(MINUTE, 9, "a")


def test_a_stable_fraction_lies_between_0_and_1_and_is_spread_evenly() -> None:
    fractions = sorted(map(stable_fraction, RUNS))
    assert fractions[0] >= 0
    assert fractions[-1] <= 1
    assert all(abs(fraction - position / len(RUNS)) < 0.1 for position, fraction in enumerate(fractions))
    assert stable_fraction("nightly") == stable_fraction("nightly")


def test_the_last_step_of_a_backoff_repeats_and_the_fraction_picks_a_point_of_the_spread() -> None:
    steps = Backoff((MINUTE, 5 * MINUTE), spread=(0.5, 1.5))
    assert [steps.delay(failures, 0.5) for failures in (1, 2, 3, 99)] == [MINUTE, *[5 * MINUTE] * 3]
    assert (steps.delay(1, 0), steps.delay(1, 1)) == (MINUTE / 2, MINUTE * 1.5)


def test_a_doubling_backoff_ends_at_its_ceiling() -> None:
    assert Backoff.doubling(timedelta(seconds=1), timedelta(seconds=10)).steps == tuple(
        timedelta(seconds=seconds) for seconds in (1, 2, 4, 8, 10)
    )
