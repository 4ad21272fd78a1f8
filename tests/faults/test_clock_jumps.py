"""The clock is set on, or back, while Sauron runs: what it does, and what people see of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.lifehub.schema import migrate
from tests.e2e.outside import SAMPLE, Repository, Serve, wait_for
from tests.faults.conftest import Measured
from tests.faults.other_clock import OtherClock
from tests.faults.test_alerted import doctor, opened, told
from tests.http_receiver import Receiver
from tests.life_hub import Server, ask

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.process, pytest.mark.timeout(300)]
HOUR = 3600.0


def test_copies_that_wait_for_longer_than_the_limit_are_alerted(
    serve: Serve, repository: Repository, server: Server, people: Receiver, tmp_path: Path
) -> None:
    """Life Hub is stopped, and the clock set on by 16 minutes; then it is back: what is told."""
    repository.commit(SAMPLE)
    migrate(server.url())
    clock = OtherClock(tmp_path / "clock")
    own = {"DATABASE_URL": server.url(), "SAURON_ALERT_WEBHOOK_URL": people.url}
    served = serve(**own, **clock.environ).until_synced()
    served.ended(served.trigger("hello"))
    runs = "SELECT count(*) FROM ops.runs WHERE job_key LIKE '%hello'"
    wait_for(lambda: ask(server.url(), runs) == [(1,)], what="a run is copied")
    server.stop()
    served.ended(served.trigger("hello"))
    assert served.http.get("/status").json()["outbox"]["waiting"] >= 1
    assert opened(served) == []
    clock.set(16 * 60)
    said = told(people, "outbox.stuck")
    assert "not copied to Life Hub yet, the oldest since" in said["reason"]
    assert "outbox sauron" in opened(served)  # beside what a clock that was set on makes of the schedule
    assert "not copied to Life Hub yet" in served.http.get("/").text
    server.start()
    told(people, "outbox.recovered")
    assert "outbox sauron" not in opened(served)
    assert ask(server.url(), runs) == [(2,)]
    assert served.http.get("/audit").json()["clean"]


def test_a_clock_that_is_set_back_is_named_and_leaves_nothing_waiting(
    serve: Serve, repository: Repository, people: Receiver, tmp_path: Path, measured: Measured
) -> None:
    """An hour fast, the clock is set right while a run is queued: what is done and told."""
    repository.commit(SAMPLE)
    clock = OtherClock(tmp_path / "clock", HOUR)
    own = {"SAURON_WORKERS": "1", "SAURON_ALERT_WEBHOOK_URL": people.url}
    served = serve(**own, **clock.environ).until_synced()
    served.trigger("slow")
    waiting = served.trigger("hello")
    last = datetime.fromisoformat(served.http.get("/status").json()["last_tick"]["at"])
    clock.set(0)
    assert served.run(waiting)["state"] == "queued"
    assert "ahead of this clock" in doctor(served)["clock"]
    wait_for(lambda: "tick.clock_set_back" in served.logged(), what="the next tick notices", seconds=140)
    ended = served.ended(waiting)
    assert ended["state"] == "succeeded"
    back = last - datetime.fromisoformat(ended["due_at"])
    assert timedelta(minutes=50) < back < timedelta(minutes=61)
    assert served.http.get("/audit").json()["clean"]
    assert served.http.get("/status").json()["degraded"] == []
    said = told(people, "clock.set_back")["reason"]
    assert "until then no job fires by its schedule" in said
    assert opened(served) == ["clock sauron"]
    assert "until then no job fires by its schedule" in served.http.get("/").text
    assert "until then no job fires by its schedule" in doctor(served)["clock"]
    measured(f"the run was due again {back.total_seconds() / 60:.0f} minutes before the last tick")


def test_a_clock_that_differs_from_the_databases_is_named(
    serve: Serve, repository: Repository, server: Server, tmp_path: Path
) -> None:
    """The clock of this machine is five minutes slower than that of PostgreSQL: what is told."""
    repository.commit(SAMPLE)
    clock = OtherClock(tmp_path / "clock", -300)
    served = serve(JOB_QUEUE_DB_URL=server.url(), **clock.environ).until_synced()
    assert served.ended(served.trigger("hello"))["state"] == "succeeded"
    assert "-300 s off the database server's" in doctor(served)["clock"]
    assert served.http.get("/audit").json()["clean"]
