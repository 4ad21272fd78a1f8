"""Runners with clocks five minutes off follow the database's: no occurrence is early or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.outside import wait_for
from tests.faults.conftest import Measured
from tests.faults.fleet import FleetOf
from tests.faults.other_clock import OtherClock
from tests.life_hub import ask

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(300)]
FIRED = """
SELECT extract(epoch FROM w.at - q.fire_at)::float8, w.owner FROM witness w JOIN job_queue q ON q.id = w.run
WHERE w.act = 'claimed' AND q.origin = 'schedule'
"""


def test_runners_whose_clocks_disagree_by_minutes_fire_every_occurrence_once_and_on_time(
    fleet: FleetOf, tmp_path: Path, measured: Measured
) -> None:
    """The clocks of four runners are 5 minutes fast, 5 slow, right, and 1 minute fast."""
    shifts = (300, -300, 0.001, 60)
    clocks = [OtherClock(tmp_path / f"clock-{number}", shift) for number, shift in enumerate(shifts)]
    four = fleet(environs=[one.environ for one in clocks])
    four.warm_up()
    logged = [runner.logged().rpartition('"timestamp": "')[2][:16] for runner in four.runners]
    assert len(set(logged)) >= 3, logged  # the clocks are off
    wait_for(lambda: len(ask(four.server.url(), FIRED)) >= 12, what="two minutes have fired", seconds=150)
    figures = four.settle()
    late = sorted(seconds for seconds, _ in ask(four.server.url(), FIRED))
    owners = {owner for _, owner in ask(four.server.url(), FIRED)}
    measured(
        f"occurrences began {late[0] * 1000:.0f} to {late[-1] * 1000:.0f} ms after their time"
        f" at {len(owners)} runners"
    )
    measured(str(figures))
    assert late[0] >= -0.2  # the server's clock is read over a network
    assert late[-1] < 5
    assert (figures.lost, figures.executed_again) == (0, 0)
