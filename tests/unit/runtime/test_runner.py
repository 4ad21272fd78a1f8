from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chalice.app import Chalice, CloudWatchEvent, Cron, Rate

from chalicelib.aws.eventbridge import next_fire
from chalicelib.errors import ScheduleError
from chalicelib.runtime import runner
from chalicelib.settings import Settings
from chalicelib.wiring import Sauron

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(5 minutes)", timedelta(minutes=5)),
        ("rate(1 day)", timedelta(days=1)),
        ("cron(0/15 * * * ? *)", timedelta(minutes=15)),
        ("cron(0 10 ? * MON-FRI *)", timedelta(hours=22)),
    ],
)
def test_eventbridge_expressions_are_fired_as_eventbridge_would(expression: str, expected: timedelta) -> None:
    assert next_fire(expression, NOON) == NOON + expected


REFUSED = (
    "cron(0 10 ? * 2 *)",
    "cron(0 10 * * ? 2027)",
    "cron(0 10 * *)",
    "every minute",
    "cron(0 10 ? * 6L *)",
)


@pytest.mark.parametrize("expression", REFUSED)
def test_expressions_that_mean_something_else_here_are_refused(expression: str) -> None:
    with pytest.raises(ScheduleError, match=r"rate\(1 minute\)"):
        next_fire(expression, NOON)


@pytest.fixture
def sauron(tmp_path: Path) -> Iterator[Sauron]:
    made = Sauron.build(Settings.read({"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3"}))
    yield made
    made.close()


def test_every_scheduled_handler_of_the_app_is_fired_at_start_with_an_eventbridge_event(
    sauron: Sauron,
) -> None:
    app = Chalice("some-app")
    seen: dict[str, CloudWatchEvent] = {}
    done = {name: threading.Event() for name in ("tick", "two", "fails")}

    def note(name: str, event: CloudWatchEvent) -> None:
        seen[name] = event
        done[name].set()

    @app.schedule(Rate(1, unit=Rate.MINUTES), name="tick")
    def one(event: CloudWatchEvent) -> None:
        note("tick", event)

    @app.schedule(Cron(0, 10, "?", "*", "MON-FRI", "*"), name="two")
    def two(event: CloudWatchEvent) -> None:
        note("two", event)

    @app.schedule("rate(1 hour)", name="fails")
    def fails(event: CloudWatchEvent) -> None:
        note("fails", event)
        raise RuntimeError("a handler that fails is fired again at its next time")

    running = runner.start(app, sauron)
    assert all(event.wait(30) for event in done.values())
    assert (seen["tick"].source, seen["tick"].detail_type) == ("aws.events", "Scheduled Event")
    assert running.clock_alive()
    assert running.workers_alive()
    assert not running.failed.is_set()
    running.stop(timedelta())
    assert not running.failed.is_set()
    assert not running.workers_alive()


def test_a_thread_that_dies_is_told(sauron: Sauron) -> None:
    class Broken:
        def claim(self, most: int) -> None:
            raise RuntimeError(most)

    sauron.__dict__["worker"] = type(
        "Worker", (Broken,), {"running_attempts": sauron.worker.running_attempts}
    )()
    running = runner.start(Chalice("some-app"), sauron)
    assert running.failed.wait(30)
    assert not running.workers_alive()
    running.stop(timedelta())


def test_a_disabled_queue_claims_nothing_and_is_healthy(tmp_path: Path) -> None:
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3", "JOB_QUEUE_ENABLED": "0"}
    quiet = Sauron.build(Settings.read(environ))
    claimed: list[int] = []
    parts = {
        "running_attempts": quiet.worker.running_attempts,
        "claim": lambda _self, most: claimed.append(most),
    }
    quiet.__dict__["worker"] = type("Worker", (), parts)()
    running = runner.start(Chalice("some-app"), quiet)
    quiet.wake()
    assert running.workers_alive()
    running.stop(timedelta())
    assert claimed == []
    quiet.close()
