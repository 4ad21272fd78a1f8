"""Four runners on one PostgreSQL: one is killed, one is cut off, PostgreSQL restarts. The quick part.

`make faults` runs the rest: leases that lapse, networks that freeze, a server that is read-only or full, lost
answers, other clocks.
"""

from __future__ import annotations

import signal
import time

import pytest

from tests.e2e.outside import wait_for
from tests.faults.conftest import Measured
from tests.faults.fleet import FleetOf

pytestmark = pytest.mark.faults


def test_a_kill_a_cut_and_a_restart_of_the_database_lose_nothing_and_run_nothing_beside_itself(
    fleet: FleetOf, measured: Measured
) -> None:
    """Of runners on one machine one is killed, one cut off for 3 s; then PostgreSQL crashes."""
    four = fleet(together=True)
    four.warm_up(2)

    run = four.holds_some(0)
    four.runners[0].process.kill()
    four.runners[0].process.wait()
    killed = time.monotonic()
    wait_for(lambda: four.left(0) == 0, what="its runs are taken up", seconds=30)
    measured(f"killed: its runs were taken up after {time.monotonic() - killed:.1f} s")

    four.holds_some(1)
    four.proxies[1].cut()
    cut = time.monotonic()
    wait_for(lambda: time.monotonic() - cut > 3, what="3 s pass")
    four.proxies[1].mend()
    measured(f"cut off: back after {four.all_answer(time.monotonic(), but=frozenset({0})):.1f} s")

    four.holds_some(2)
    four.server.crash()
    four.server.start()
    measured(f"restarted: all back after {four.all_answer(time.monotonic(), but=frozenset({0})):.1f} s")

    figures = four.settle()
    measured(str(figures))
    assert [one.act for one in four.witness.noted() if one.run == run] == ["start", "start", "end"]
    assert figures.lost < 12
    assert {one.stop(signal.SIGTERM) for one in four.runners[1:]} == {0}
