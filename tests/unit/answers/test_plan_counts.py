"""The counts of a plan, beside a walk over every minute that knows nothing of schedules."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import job_record
from tests.unit.answers.job_sets import START, builtin, candidate, in_force, member, off, planned

ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns")  # none of them jumps in these days


def field(chance: random.Random, low: int, high: int) -> tuple[str, set[int]]:
    """A field of a cron expression, and the values that it names."""
    every = range(low, high + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return "*", set(every)
    if kind == 1:
        step = chance.randint(2, max(2, (high - low) // 2))
        return f"*/{step}", {value for value in every if (value - low) % step == 0}
    if kind == 2:
        first, last = sorted(chance.sample(every, 2))
        return f"{first}-{last}", set(range(first, last + 1))
    values = chance.sample(every, 2)
    return ",".join(map(str, sorted(values))), set(values)


class Fires:
    """A job's record, and whether it fires in a minute."""

    def __init__(self, chance: random.Random, job_id: str) -> None:
        (minute, self.minutes), (hour, self.hours) = field(chance, 0, 59), field(chance, 0, 23)
        weekday, self.weekdays = field(chance, 0, 6)
        self.zone = ZoneInfo(chance.choice(ZONES))
        self.enabled = chance.random() < 0.9
        self.record = job_record(
            job_id, f"{minute} {hour} * * {weekday}", timezone=self.zone.key, enabled=self.enabled
        )

    def at(self, instant: datetime) -> bool:
        here = instant.astimezone(self.zone)
        return (
            here.minute in self.minutes and here.hour in self.hours and here.isoweekday() % 7 in self.weekdays
        )


def minutes(days: int) -> Iterator[datetime]:
    at = START.replace(second=0)
    while (at := at + timedelta(minutes=1)) <= START + timedelta(days=days):
        yield at


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_appearing_vanishing_and_load_are_what_a_walk_over_every_minute_counts(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    old = {f"job-{number}": Fires(chance, f"job-{number}") for number in range(6)}
    new = {f"job-{number}": Fires(chance, f"job-{number}") for number in range(2, 8)}
    new["job-3"] = old["job-3"]
    until = START + timedelta(hours=chance.randint(1, 40))
    overrides: dict[str, Any] = {"job-4": off(until), "job-5": off(until, enabled=True)}
    now = in_force(
        *(member(fires.record, override=overrides.get(name)) for name, fires in old.items()), builtin()
    )

    def on(name: str, fires: Fires, at: datetime) -> bool:
        override = overrides.get(name)
        return bool(override.enabled if override and at <= until else fires.enabled)

    before, after, appear, vanish = (Counter[Any]() for _ in range(4))
    for at in minutes(4):
        was = {name for name, fires in old.items() if on(name, fires, at) and fires.at(at)}
        will = {name for name, fires in new.items() if on(name, fires, at) and fires.at(at)}
        quarter = int(at.minute % 15 == 0)
        before[at], after[at] = len(was) + quarter, len(will) + quarter
        appear.update(will - was)
        vanish.update(was - will)
    found = planned(candidate(*(fires.record for fires in new.values())), now, days=4)
    load = found["load"]
    assert (load["before"], load["after"]) == (before.total(), after.total())
    fullest = max(after, key=lambda at: (after[at], -at.timestamp()))
    assert load["busiest"] == {
        "at": fullest.isoformat().replace("+00:00", "Z"),
        "runs": after[fullest],
    }
    by_hour = Counter[int]()
    for at, count in after.items():
        by_hour[at.hour] += count
    assert [one["after"] for one in load["hours"]] == [by_hour[hour] for hour in range(24)]
    counts = {one["job_id"]: (one["appear"], one["vanish"]) for one in found["jobs"]}
    for name in old.keys() | new.keys():
        assert counts.get(name, (0, 0)) == (appear[name], vanish[name]), name
