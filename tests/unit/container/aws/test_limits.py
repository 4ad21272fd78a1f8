"""How many runs go at once where the account or the database is small, and what AWS does in its own time."""

from __future__ import annotations

from typing import Any

import pytest

from sauron.aws.cloud import AwsError, Cloud
from sauron.aws.limits import TOO_SMALL, Room, clock_shares, set_runs
from sauron.aws.names import Names


@pytest.mark.parametrize(
    ("total", "connections", "runs"),
    [
        (10, None, 5),  # a new account
        (10, 100, 5),
        (1000, 100, 40),  # a small database
        (1000, None, 995),  # a proxy, which does not say
        (5, None, 2),  # AWS takes no smaller limit
        (1000, 10, 2),
    ],
)
def test_runs_leave_room_for_the_clock_the_api_and_the_database(
    total: int, connections: int | None, runs: int
) -> None:
    assert Room(total, total, connections).runs == runs


class _Session:
    """Gives one client that has no mapping of the queue."""

    def client(self, _service: str) -> Any:
        return self

    def get_function_concurrency(self, **_named: str) -> dict[str, Any]:
        return {}

    def list_event_source_mappings(self, **_named: str) -> dict[str, Any]:
        name = "arn:aws:lambda:eu-west-1:123456789012:function:sauron-prod-work"
        return {"EventSourceMappings": [{"UUID": "1", "FunctionArn": name, "State": "Deleting"}]}


def test_a_mapping_that_is_never_made_is_an_error_with_the_next_step() -> None:
    cloud = Cloud(_Session(), "eu-west-1", "123456789012", "arn:aws:iam::123456789012:user/me")
    times = iter(range(0, 1000, 10))
    waited: list[float] = []
    with pytest.raises(AwsError, match=r"still missing after 120 s\. Run this again"):
        set_runs(cloud, Names("prod"), 5, sleep=waited.append, clock=lambda: float(next(times)))
    assert sum(waited) > 20


def test_the_clock_has_a_share_only_where_aws_leaves_a_hundred_for_others() -> None:
    cloud = Cloud(_Session(), "eu-west-1", "123456789012", "arn:aws:iam::123456789012:user/me")
    assert clock_shares(cloud, Names("prod"), Room(101, 101), deploys=False) == ([], [TOO_SMALL])
    steps, notes = clock_shares(cloud, Names("prod"), Room(102, 102), deploys=False)
    assert [step.what for step in steps] == ["a share for sauron-prod-tick, sauron-prod-upkeep"]
    assert notes == []


CLOCK_SECONDS = {"tick": 10, "sync": 20, "upkeep": 40}  # how long each may take in a bad minute
API_CALLS = 2  # going on at any time


def late_ticks(runs_at_once: int, *, account: int, run_minutes: int = 14, queued: int = 10) -> list[int]:
    """Play half an hour of an account second by second; return the minutes whose tick was refused.

    A message that finds no free function stays in the queue. An event of the clock that finds none is lost.
    """
    running: list[tuple[int, str]] = []  # until when
    late: list[int] = []
    for second in range(30 * 60):
        running = [(until, name) for until, name in running if until > second]
        busy = [name for _, name in running].count("work")
        while queued and busy < runs_at_once and len(running) + API_CALLS < account:
            running.append((second + run_minutes * 60, "work"))
            queued, busy = queued - 1, busy + 1
        if second % 60 == 30:
            for name, seconds in CLOCK_SECONDS.items():
                if len(running) + API_CALLS < account:
                    running.append((second + seconds, name))
                elif name == "tick":
                    late.append(second // 60)
    return late


def test_ten_runs_of_14_minutes_in_an_account_of_ten_leave_every_tick_on_time() -> None:
    assert late_ticks(Room(10, 10).runs, account=10) == []
    assert len(late_ticks(1000, account=10)) > 13  # what would be without a limit
