"""PostgreSQL crashed, down longer than a lease, read-only, out of connections: no run lost or doubled.

A job that executes through the whole outage goes on and is recorded: its owner lives, only the store does
not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psycopg
import pytest

from tests.e2e.outside import wait_for
from tests.faults.conftest import Measured
from tests.faults.fleet import Fleet, FleetOf
from tests.life_hub import Server, ask

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(300)]
LONGER_THAN_A_LEASE = 45.0
MOST_CONNECTIONS = 60


def down(server: Server) -> Callable[[], None]:
    server.crash()
    return server.start


def read_only(server: Server) -> Callable[[], None]:
    """A failover that takes its time: the server is a standby until it is promoted."""
    server.stop()
    server.start_as_standby()
    return server.promote


def crowded(server: Server) -> Callable[[], None]:
    """Others take every connection there is, those of the runners too."""
    address = server.url().replace("+psycopg", "")
    others = contextlib.ExitStack()
    first = others.enter_context(psycopg.connect(address, autocommit=True))
    for _ in range(20):
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(address, autocommit=True))
        if not first.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                             " WHERE application_name = 'sauron'"
                             ).fetchall()[0][0]:  # fmt: skip
            break
    return others.close


def _refused(four: Fleet) -> str:
    return ", ".join(f"{count} with {why}" for why, count in four.workload.refused.most_common()) or "none"


@pytest.fixture
def server() -> object:
    made = Server()
    ask(made.url(), f"ALTER SYSTEM SET max_connections = {MOST_CONNECTIONS}")
    made.stop()
    made.start()
    yield made
    made.close()


def test_a_database_that_crashes_again_and_again_costs_no_attempt(fleet: FleetOf, measured: Measured) -> None:
    """PostgreSQL crashes three times and is away for 0, 2 and 5 s."""
    four = fleet()
    four.warm_up()
    back = []
    for away in (0.0, 2.0, 5.0):
        four.holds_some(1)
        four.server.crash()
        time.sleep(away)  # the outage itself
        four.server.start()
        back.append(four.all_answer(time.monotonic()))
    measured(f"all took triggers {', '.join(f'{one:.1f}' for one in back)} s after its return")
    figures = four.settle()
    measured(f"{figures}; refused {_refused(four)}")
    assert (figures.lost, figures.executed_again) == (0, 0)


@pytest.mark.parametrize("trouble", [down, read_only, crowded])
def test_no_living_owner_loses_its_lease_to_an_outage_that_is_longer(
    fleet: FleetOf, trouble: Callable[[Server], Callable[[], None]], measured: Measured
) -> None:
    """For 45 s PostgreSQL is down, a standby, or out of connections; jobs of 60 s run through."""
    four = fleet()
    four.warm_up()
    patient = [four.trigger(number, "patient") for number in range(4)]
    wait_for(lambda: all(four.owner(run_id) is not None for run_id in patient), what="all are under way")
    mend = trouble(four.server)
    time.sleep(LONGER_THAN_A_LEASE)  # the outage itself
    mend()
    mended = time.monotonic()
    measured(f"all took triggers {four.all_answer(mended):.1f} s after the end")
    figures = four.settle(seconds=90)
    measured(f"{figures}; refused {_refused(four)}")
    assert (figures.lost, figures.executed_again) == (0, 0)
