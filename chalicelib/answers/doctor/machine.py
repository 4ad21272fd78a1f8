"""Checks of the machine: clock, zones, memory, and how long a stop may take."""

from __future__ import annotations

from chalicelib.model.liveness import was_set_back

from .facts import Facts
from .finding import Finding, well, wrong

AHEAD_SECONDS = 5.0
MEMORY_MB, MEMORY_OF_A_WORKER_MB = 150, 40  # of an idle runner, and of a small Python job
CLOSING_SECONDS = 5  # for open requests
USUAL_GRACE_SECONDS = 30.0  # container/docker-compose.yml


def clock(facts: Facts, check: str) -> Finding | None:
    """Whether the clock is right: schedules go by it."""
    cure = "set the machine's clock by NTP: timedatectl set-ntp true"
    if facts.clock_ahead_seconds is not None and abs(facts.clock_ahead_seconds) > AHEAD_SECONDS:
        return wrong(check, f"it is {facts.clock_ahead_seconds:+.0f} s off the database server's", cure)
    if facts.last_tick is not None and was_set_back(facts.last_tick, facts.now):
        ahead = f"the last tick is {facts.last_tick - facts.now} ahead of this clock"
        return wrong(check, f"{ahead}, and until then no job fires by its schedule", cure)
    return well(check, f"{facts.now:%Y-%m-%d %H:%M:%S} UTC")


def zones(facts: Facts, check: str) -> Finding | None:
    """Whether zones are known."""
    if facts.zones:
        return well(check, "zones are known")
    return wrong(
        check, "Europe/Berlin is not known here", "install the package tzdata, or unset PYTHONTZPATH"
    )


def memory(facts: Facts, check: str) -> Finding | None:
    """Whether the memory is enough for as many attempts as there are workers."""
    if facts.settings is None or facts.memory_mb is None:
        return None
    workers = facts.settings.workers
    needed = MEMORY_MB + workers * MEMORY_OF_A_WORKER_MB
    if facts.memory_mb >= needed:
        return well(check, f"{facts.memory_mb} MB for {workers} workers")
    fit = (facts.memory_mb - MEMORY_MB) // MEMORY_OF_A_WORKER_MB
    return wrong(
        check,
        f"{facts.memory_mb} MB are too few for {workers} workers, which need about {needed} MB",
        f"raise mem_limit, or set SAURON_WORKERS={max(1, fit)}",
    )


def stop_grace(facts: Facts, check: str) -> Finding | None:
    """Whether a stopping container waits for as long as running attempts may take to end."""
    if facts.settings is None or not facts.in_container:
        return None
    drain, kill = (one.total_seconds() for one in (facts.settings.drain, facts.settings.kill_grace))
    needed = drain + kill + CLOSING_SECONDS
    grace = USUAL_GRACE_SECONDS if facts.stop_grace_seconds is None else facts.stop_grace_seconds
    if needed <= grace:
        return well(check, f"a stop takes up to {needed:g} s of {grace:g}")
    return wrong(
        check,
        f"a stop may take {needed:g} s, and the container is killed after {grace:g}",
        f"set STOP_GRACE_PERIOD={needed:g}s (docker run --stop-timeout {needed:g}), or a smaller "
        "SAURON_DRAIN_SECONDS",
    )
