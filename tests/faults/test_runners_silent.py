"""A runner silent for longer than its lease: dead elsewhere, stopped, cut off, or its network frozen.

Others take its runs over once the lease has lapsed. One that comes back ends what it lost and records nothing
of it. While it is away it may still execute: that is the limit of any lease, and the only place where a run
may be beside itself.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.outside import wait_for
from tests.faults.conftest import Measured
from tests.faults.fleet import Fleet, FleetOf
from tests.life_hub import ask

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.timeout(400)]
LAPSE = 150.0  # seconds within which a lapsed lease is taken over at the latest


def stop(four: Fleet, number: int) -> Callable[[], None]:
    four.runners[number].process.send_signal(signal.SIGSTOP)
    return lambda: four.runners[number].process.send_signal(signal.SIGCONT)


def cut(four: Fleet, number: int) -> Callable[[], None]:
    four.proxies[number].cut()
    return four.proxies[number].mend


def freeze(four: Fleet, number: int) -> Callable[[], None]:
    four.proxies[number].freeze()
    return four.proxies[number].mend


def test_the_runs_of_a_runner_that_died_on_another_machine_are_taken_up_when_its_leases_lapse(
    fleet: FleetOf, measured: Measured
) -> None:
    """A runner is killed; the others are on other machines, or have a JOBS_DIR of their own."""
    four = fleet()
    four.warm_up()
    run_id = four.trigger(0, "lasting")
    number = four.executing("lasting")
    four.runners[number].process.kill()
    four.runners[number].process.wait()
    killed = time.monotonic()
    wait_for(lambda: four.left(number) == 0, what="its runs are taken up", seconds=LAPSE)
    measured(f"its runs were taken up after {time.monotonic() - killed:.0f} s")
    figures = four.settle()
    assert [one.act for one in four.witness.noted() if one.run == run_id] == ["start", "start", "end"]
    measured(str(figures))


@pytest.mark.parametrize("silence", [stop, cut, freeze], ids=["stopped", "cut off", "frozen"])
def test_a_runner_that_was_silent_records_nothing_of_what_it_lost_and_ends_it(
    fleet: FleetOf, silence: Callable[[Fleet, int], Callable[[], None]], measured: Measured
) -> None:
    """A runner is stopped (SIGSTOP), its connections are reset, or its network is frozen."""
    four = fleet()
    four.warm_up()
    run_id = four.trigger(0, "lasting")
    number = four.executing("lasting")
    name = four.name(number)
    silent = time.monotonic()
    mend = silence(four, number)
    wait_for(lambda: four.left(number) == 0, what="its runs are taken up", seconds=LAPSE)
    measured(f"its runs were taken up after {time.monotonic() - silent:.0f} s")
    taken = ask(four.server.url(), "SELECT count(*) FROM witness WHERE act = 'ended'")[0][0]
    wait_for(
        lambda: (
            ask(four.server.url(), "SELECT state FROM job_queue WHERE id = %s", run_id) == [("succeeded",)]
        ),
        what="done",
    )
    mend()
    mended = time.monotonic()
    said = four.runners[number].logged
    wait_for(
        lambda: any("run.taken_over" in line and run_id in line for line in said().splitlines()),
        what="it heard so",
    )
    measured(f"back, it ended what it lost after {time.monotonic() - mended:.1f} s")
    again = four.all_answer(mended)
    measured(f"and took triggers after {again:.1f} s")
    outcomes = dict(ask(four.server.url(), "SELECT number, outcome FROM attempts WHERE run_id = %s", run_id))
    assert outcomes == {1: "interrupted", 2: "succeeded"}
    owners = ask(
        four.server.url(),
        "SELECT owner, state FROM witness WHERE run = %s AND act = 'ended' ORDER BY seq",
        run_id,
    )
    # the first was ended by its rescuer, before `taken`
    assert [one == name for one, _ in owners] == [True, False]
    assert taken > 0
    most = int(ask(four.server.url(), "SELECT count(*) FROM attempts WHERE outcome = 'interrupted'")[0][0])
    measured(str(four.settle(beside=most)))
