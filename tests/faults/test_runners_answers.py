"""Commits whose reply is lost, at every runner in turn: nothing is done twice, and no attempt is lost."""

from __future__ import annotations

import pytest

from tests.e2e.outside import wait_for
from tests.faults.conftest import Measured
from tests.faults.fleet import FleetOf

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(300)]
ROUNDS = 4


@pytest.mark.parametrize(
    "mark",
    [b"claimed AS", b"ended AS", b"INSERT INTO job_queue", b"lease_beat"],
    ids=["claim", "end", "trigger", "beat"],
)
def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    fleet: FleetOf, mark: bytes, measured: Measured
) -> None:
    """The reply to a commit is lost, at each runner in turn."""
    four = fleet()
    four.warm_up(1)
    if mark == b"lease_beat":
        four.trigger(0, "patient")
    rounds = 1 if mark == b"lease_beat" else ROUNDS
    for before in range(rounds):
        proxies = four.proxies if rounds > 1 else [four.proxies[four.executing("patient")]]
        for proxy in proxies:
            proxy.swallow(mark)
        wait_for(
            lambda: all(one.robbed > before for one in proxies),  # noqa: B023 - called in this round
            what="every runner lost an answer",
            seconds=40,
        )
    figures = four.settle(seconds=90)
    said = "".join(runner.logged() for runner in four.runners)
    measured(f"{sum(one.robbed for one in four.proxies)} replies lost; {figures}")
    assert (figures.lost, figures.executed_again) == (0, 0)
    assert "run.taken_over" not in said
