"""Why a run that is due ends without starting: each rule, with the state and the words that it leaves."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from chalicelib.model.runs import Origin, RunId, RunState
from chalicelib.store import Store, bundle, history
from chalicelib.store.queue import claims, decisions, enqueue, pauses
from chalicelib.store.schema import job_queue, jobs
from tests.conftest import START, ManualClock, define

pytestmark = pytest.mark.every_store

SHA = "a" * 40
ON_TIME, LATE, CHAIN = ({"origin": one} for one in (Origin.SCHEDULE, Origin.CATCHUP, Origin.CHAIN))
ASKED_FOR, AGAIN = ({"origin": one} for one in (Origin.TRIGGER, Origin.RETRY))
TRIED = {"attempt": 1, "revision": SHA}
GONE, OFF = {"removed_at": START, "next_fire_at": None}, {"enabled": False, "next_fire_at": None}
REJECTED = {"rejected": "cron has 4 fields"}
STARTS = None
# What the run is, how its job stands (None: there is none), and how the run ends.
CASES: list[tuple[dict[str, Any], dict[str, Any] | None, tuple[RunState, str] | None]] = [
    *((run, {}, STARTS) for run in (ON_TIME, LATE, CHAIN, ASKED_FOR, ON_TIME | TRIED)),
    *((run, GONE, (RunState.SKIPPED, "the job was removed")) for run in (ON_TIME, LATE, CHAIN)),
    (ON_TIME, None, (RunState.SKIPPED, "the job was removed")),
    (ON_TIME | {"force": True}, OFF, (RunState.SKIPPED, "disabled")),
    *((run, OFF, (RunState.SKIPPED, "disabled")) for run in (ON_TIME, LATE, CHAIN)),
    *((run, REJECTED, (RunState.MISSED, "definition rejected")) for run in (ON_TIME, LATE, CHAIN)),
    (ON_TIME, REJECTED | OFF, (RunState.MISSED, "definition rejected")),
    (ON_TIME, GONE | REJECTED, (RunState.SKIPPED, "the job was removed")),
    *((run, OFF, STARTS) for run in (ASKED_FOR, AGAIN)),
    *((run | {"revision": SHA}, standing, STARTS) for run in (ASKED_FOR, AGAIN) for standing in (GONE, None)),
    (AGAIN | {"revision": SHA}, REJECTED, STARTS),
    *(
        (run, standing, (RunState.FAILED, "job '{}' was removed from the bundle before this run started"))
        for run in (ASKED_FOR, AGAIN)
        for standing in (GONE, None)
    ),
    (
        ASKED_FOR,
        REJECTED | OFF,
        (
            RunState.FAILED,
            "job '{}' has a definition that was rejected (cron has 4 fields) before this run started",
        ),
    ),
    *(
        (run | TRIED, standing, (RunState.FAILED, f"not tried again: {why}"))
        for run in (ON_TIME, CHAIN, ASKED_FOR)
        for standing, why in (
            (GONE, "the job was removed from the bundle"),
            (None, "the job was removed from the bundle"),
            (REJECTED, "the job's definition was rejected (cron has 4 fields)"),
            (OFF, "the job is disabled"),
        )
    ),
]
PAUSED: list[tuple[dict[str, Any], dict[str, Any] | None, tuple[RunState, str] | None]] = [
    *((run, {}, (RunState.SKIPPED, "paused")) for run in (ON_TIME, LATE, CHAIN)),
    (ON_TIME, OFF, (RunState.SKIPPED, "disabled")),
    (ON_TIME | {"force": True}, {}, STARTS),
    (ASKED_FOR | {"force": True}, {}, STARTS),
]


@pytest.mark.parametrize("overlap", ["allow", "skip"])
@pytest.mark.parametrize("paused", [False, True])
def test_a_run_starts_or_ends_as_its_job_stands_now(
    store: Store, clock: ManualClock, overlap: str, paused: bool
) -> None:
    cases = PAUSED if paused else CASES
    for number, (_, standing, _) in enumerate(cases):
        if standing is not None:
            define(store, clock, f"j{number}", "0 0 1 1 *", overlap=overlap)
    now = clock.now()
    with store.write() as tx:
        bundle.change(tx, active_sha=SHA)
        for number, (run, standing, _) in enumerate(cases):
            if standing:
                tx.execute(update(jobs).where(jobs.c.job_id == f"j{number}").values(**standing))
            row = {"attempt": 0, "revision": None, "force": False, "fire_at": None} | run
            row |= {"id": f"r{number}", "job_id": f"j{number}", "state": RunState.QUEUED, "reason": "its own"}
            enqueue.put(tx, [row | {"max_attempts": 3, "created_at": now, "due_at": now}])
        if paused:
            pauses.begin(tx, pauses.Pause(now, None, "ann", None))
        taken: set[RunId] = set()
        decided: dict[RunId, tuple[RunState, str]] = {}
        while (done := claims.claim(tx, owner="me", now=now)).run:
            taken.add(done.run.id)
            decided |= {one.run_id: (one.state, one.reason) for one in done.decided}
        decided |= {one.run_id: (one.state, one.reason) for one in done.decided}
        rows = {f"r{number}": history.run(tx, RunId(f"r{number}")) for number in range(len(cases))}
    for number, (run, standing, end) in enumerate(cases):
        run_id, after = RunId(f"r{number}"), rows[f"r{number}"]
        assert after
        if end is None:
            assert (run_id in taken, run_id in decided, after.state) == (True, False, "running"), (
                run,
                standing,
            )
            continue
        state, reason = end[0], end[1].format(f"j{number}")
        left: tuple[str | None, ...] = (f"{reason}; its own", None, None)
        if state is RunState.FAILED:
            left = ("its own", reason, "disabled" if run.get("attempt") else None)
        assert (run_id in taken, decided.get(run_id)) == (False, (state, reason)), (run, standing)
        assert (after.state, after.finished_at) == (state, now), (run, standing)
        assert (after.reason, after.error, after.error_type) == left, (run, standing)


def test_every_rule_has_a_case() -> None:
    of_a_case = SimpleNamespace(job_id="{}", rejected="cron has 4 fields")
    of_the_job = [rule for rule in decisions.RULES if not rule.reason.startswith("overlap: ")]
    ends = {end for _, _, end in CASES + PAUSED if end}
    assert {(rule.state, rule.reason.format(of_a_case)) for rule in of_the_job} == ends


def test_an_occurrence_that_waits_for_those_it_replaces_keeps_no_other_job_waiting(
    store: Store, clock: ManualClock
) -> None:
    for job_id in ("a", "b"):
        define(store, clock, job_id, "0 0 1 1 *", overlap="replace")
    now = clock.now()
    common = {"state": RunState.QUEUED, "origin": Origin.SCHEDULE, "max_attempts": 3, "created_at": now}
    earlier, later = now - timedelta(seconds=2), now + timedelta(minutes=1)
    rows = [
        {"id": "a-new", "job_id": "a", "due_at": earlier, "fire_at": earlier},
        {"id": "b-new", "job_id": "b", "due_at": now, "fire_at": now},
        {"id": "b-retry", "job_id": "b", "due_at": later, "fire_at": earlier, "attempt": 1},
    ]
    with store.write() as tx:
        bundle.change(tx, active_sha=SHA)
        enqueue.put(tx, [common | {"id": "a-old", "job_id": "a", "due_at": earlier, "fire_at": now}])
        assert claims.claim(tx, owner="me", now=now).run
        enqueue.put(tx, [{"attempt": 0} | common | row for row in rows])
        done = claims.claim(tx, owner="me", now=now)
        waits = tx.execute(job_queue.select().where(job_queue.c.id == "a-new")).one()
    assert done.run
    assert (done.run.id, done.cancelled) == ("b-new", ("a-old",))
    assert [one.run_id for one in done.decided] == ["b-retry"]
    assert waits.state == "queued"
