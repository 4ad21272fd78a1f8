"""After the clock was set back, what has happened lies ahead: every route still answers.

The same is met for an instant without that, by a request that read the clock just before a run began.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

import app as application
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.store import bundle, duties, silences
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, begin, execute, trigger

PLACES = {"job_id": "nightly-backup", "name": "runner-1", "digest": "0" * 64}


@pytest.mark.slow
@pytest.mark.parametrize("back", [{"seconds": 0.5}, {"hours": 1}, {"days": 40}])
def test_every_page_and_answer_is_given_after_the_clock_was_set_back(
    sauron: Sauron, client: Client, clock: ManualClock, back: dict[str, float]
) -> None:
    sauron.membership.join()
    for outcome in (Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED):
        trigger(client)
        execute(sauron, clock, Verdict(outcome, None if outcome is Outcome.SUCCEEDED else "boom"))
    for _ in range(2):
        trigger(client)
        retried = execute(sauron, clock, Verdict(Outcome.FAILED, "again"), retry_in=timedelta(minutes=5))
    define(sauron.store, clock, "often")
    clock.move(minutes=1)
    sauron.duties.tick()
    trigger(client)
    running = begin(sauron, clock, wrote=["a line\n"])
    trigger(client)
    client.post("/jobs/nightly-backup/disable", {"reason": "a look", "until": "2026-03-03T00:00:00Z"})
    client.post("/pause", {"reason": "a look"})
    sauron.duties.review()
    with sauron.store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
        bundle.change(tx, last_sync=clock.now())
        silences.note(tx, since=clock.now() - timedelta(minutes=9), until=clock.now())
    clock.move(**{unit: -size for unit, size in back.items()})
    for path, methods in application.app.routes.items():
        for run in {running.id, retried.id} if "GET" in methods else ():
            answer = client.get(path.format(run_id=run, **PLACES), Accept="text/html, */*")
            assert answer.status < 500 or path == "/ready", (path, answer.status, answer.body[:300])
