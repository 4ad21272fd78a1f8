"""The simulation beside one that looks at every second and knows the policies from their description."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.answers.simulate import simulate
from tests.conftest import job_record
from tests.unit.answers.job_sets import member

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICIES = ("skip", "queue", "replace", "allow")


@dataclass
class Fired:
    """One occurrence, in seconds from the start."""

    job: str
    policy: str
    takes: int
    due: int
    begun: int | None = None
    over: int | None = None
    skipped: bool = False

    def waits(self, second: int) -> bool:
        return self.due <= second and self.begun is None and not self.skipped

    def runs(self, second: int) -> bool:
        return self.begun is not None and (self.over is None or self.over > second)


@dataclass
class Seconds:
    """Looks at second after second until nothing is left to do."""

    fired: list[Fired]
    workers: int
    most: tuple[int, int] = field(default=(0, 0))  # how many ran, and since which second

    def run(self) -> None:
        second = 0
        while any(one.due >= second or one.waits(second) or one.runs(second) for one in self.fired):
            self._one(second)
            second += 1

    def _one(self, second: int) -> None:
        for one in self.fired:
            if one.begun is not None and one.over is None and one.begun + one.takes == second:
                one.over = second
        for one in self.fired:
            if one.due == second and one.policy == "skip":
                others = [other for other in self.fired if other.job == one.job and other.due < second]
                one.skipped = any(other.waits(second) or other.runs(second) for other in others)
        while self._begin(second):
            pass
        running = sum(one.runs(second) for one in self.fired)
        if running > self.most[0]:
            self.most = (running, second)

    def _begin(self, second: int) -> bool:
        """Let one free worker do something; return whether one did."""
        if sum(one.runs(second) for one in self.fired) >= self.workers:
            return False
        for one in sorted(self.fired, key=lambda one: (one.due, one.job)):
            if not one.waits(second):
                continue
            beside = [other for other in self.fired if other.job == one.job and other.runs(second)]
            if one.policy == "queue" and beside:
                continue
            if one.policy == "replace":
                if any(
                    other.job == one.job and other.due > one.due and other.waits(second)
                    for other in self.fired
                ):
                    one.skipped = True
                    return True
                for other in beside:
                    other.over = second
            one.begun = second
            return True
        return False


def job_set(chance: random.Random) -> tuple[dict[Any, Any], dict[str, list[float]], list[Fired]]:
    """Return jobs, what their runs took, and their occurrences within ten minutes."""
    jobs: dict[Any, Any] = {}
    taken: dict[str, list[float]] = {}
    fired: list[Fired] = []
    for number in range(chance.randint(1, 5)):
        name, policy = f"job-{number}", chance.choice(POLICIES)
        fires = sorted(chance.sample(range(10), chance.randint(1, 8)))
        takes = chance.choice((1, 20, 59, 60, 61, 119, 120, 200))
        record = job_record(name, f"{','.join(map(str, fires))} 12 * * *", overlap=policy)
        jobs[name] = member(record)
        taken[name] = [float(takes)] * chance.randint(1, 3)
        fired += [Fired(name, policy, takes, minute * 60) for minute in fires]
    return jobs, taken, fired


@pytest.mark.slow
@pytest.mark.parametrize("tenth", range(10))
def test_two_hundred_sets_of_jobs_run_as_second_after_second_they_would(tenth: int) -> None:
    for seed in range(tenth * 20, tenth * 20 + 20):
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        jobs, taken, fired = job_set(chance)
        workers = chance.randint(1, 3)
        (beside := Seconds(fired, workers)).run()
        found = simulate(jobs, taken, start=START, end=START + timedelta(minutes=10), workers=workers)
        assert [
            (one["job_id"], at(one["fire_at"]), at(one["starts_at"]), at(one["ends_at"]), one["state"])
            for one in found["runs"]
        ] == [
            (one.job, one.due, one.begun, one.over, "skipped" if one.skipped else "ran")
            for one in sorted(fired, key=lambda one: (one.due, one.job))
        ], f"seed {seed}"
        ran = [one for one in fired if one.begun is not None and one.over is not None]
        summary = found["summary"]
        assert (summary["runs"], summary["skipped"]) == (len(ran), sum(one.skipped for one in fired))
        assert summary["longest_wait_seconds"] == max((one.begun or 0) - one.due for one in ran)
        assert (summary["busiest"]["running"], at(summary["busiest"]["at"])) == beside.most
        busy = sum((one.over or 0) - (one.begun or 0) for one in ran)
        assert summary["busy_share"] == pytest.approx(busy / (workers * 600), abs=1e-6)


def at(text: str | None) -> int | None:
    if text is None:
        return None
    seconds = (datetime.fromisoformat(text) - START).total_seconds()
    assert seconds == int(seconds)
    return int(seconds)
