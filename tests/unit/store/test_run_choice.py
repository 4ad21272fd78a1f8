"""Lists of runs: whatever is asked for is what is shown, page by page, and found by an index."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import event

import chalicelib.store
from chalicelib.answers import audit
from chalicelib.model.runs import UNFINISHED, RunState
from chalicelib.store import (
    Store,
    bundle,
    duties,
    history,
    occurrences,
    page_marks,
    run_choice,
    run_health,
    run_pruning,
)
from chalicelib.store.database import Tx
from chalicelib.store.driver import Statement
from chalicelib.store.queue import outage
from tests.conftest import START, ManualClock, define
from tests.recorded_runs import record_all, row, run_id

pytestmark = pytest.mark.every_store

STATES: tuple[tuple[RunState, ...], ...] = (
    (),
    (RunState.SUCCEEDED,),
    (RunState.FAILED,),
    (RunState.QUEUED,),
    (RunState.RUNNING,),
    (RunState.MISSED, RunState.FAILED, RunState.RUNNING, RunState.MISSED),
    (RunState.FAILED, RunState.SUCCEEDED),
)
HOUR = timedelta(hours=1)


def past(runs: int) -> list[dict[str, Any]]:
    """Runs of two jobs, one an hour, in every state; some were due long before or after they were made."""
    rows = []
    for number in range(runs):
        state = list(RunState)[number % len(RunState)]
        made = START - HOUR * (runs - number)
        due = made + (30 * HOUR if number % 7 == 3 else -40 * HOUR if number % 7 == 5 else HOUR / 60)
        one = row("ab"[number % 3 == 1], state, made, fire_at=None, due_at=due)
        rows.append(one | {"id": run_id(made, number)})
    return rows


@pytest.mark.slow
def test_every_choice_is_shown_page_by_page(store: Store) -> None:
    rows = past(180)
    record_all(store, rows)
    times: list[datetime | None] = [None, START - 200 * HOUR, START - 100 * HOUR, START - 5 * HOUR]
    newest_first = sorted(rows, key=lambda one: str(one["id"]), reverse=True)
    for job_id, states, since, until in product((None, "a"), STATES, times, times):
        expected = [
            one["id"]
            for one in newest_first
            if job_id in {None, one["job_id"]}
            and (not states or one["state"] in states)
            and (since is None or one["due_at"] >= since)
            and (until is None or one["due_at"] < until)
        ]
        found: list[str] = []
        with store.read() as tx:
            while page := history.runs(
                tx,
                job_id=job_id,
                states=states,
                since=since,
                until=until,
                limit=40,
                after=found[-1] if found else None,
            ):
                found += [one.id for one in page]
        assert found == expected, (job_id, states, since, until)


def test_what_lies_far_back_is_found_behind_what_is_looked_at_first(store: Store) -> None:
    runs = run_choice.MORE * 3
    record_all(store, past(runs))
    for states in ((), (RunState.SUCCEEDED,)):
        with store.read() as tx:
            found = run_choice.newest(tx, states=states, until=START - HOUR * (runs - 20), most=5)
        expected = [
            one["id"]
            for one in past(runs)
            if one["due_at"] < START - HOUR * (runs - 20) and (not states or one["state"] in states)
        ]
        assert list(found) == sorted(map(str, expected), reverse=True)[:5], states


@pytest.mark.slow
def test_a_search_goes_on_where_it_stopped(store: Store, clock: ManualClock) -> None:
    texts = dict.fromkeys((0, history.LOOKED_AT + 1), "disk is full")
    rows = [
        row(
            "a",
            RunState.SUCCEEDED,
            START - HOUR,
            id=run_id(START, number),
            fire_at=None,
            reason=texts.get(number),
        )
        for number in range(history.LOOKED_AT + 2)
    ]
    record_all(store, rows)
    with store.read() as tx:
        first = history.search(tx, "IS FULL", limit=5)
        second = history.search(tx, "IS FULL", limit=5, after=first.looked_until)
    assert [one.id for one in first.runs] == [run_id(START, history.LOOKED_AT + 1)]
    assert first.looked_until == run_id(START, 2)
    assert [one.id for one in second.runs] == [run_id(START, 0)]
    assert second.looked_until is None


@contextmanager
def statements(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Note what is asked of the table of runs."""
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "job_queue" in statement and not statement.startswith("EXPLAIN"):
            said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    yield said
    event.remove(store.engine, "before_cursor_execute", note)


def plan(tx: Tx, statement: str, parameters: Any, *, bitmaps: str = "off") -> str:
    """Return how a store would go about a statement. An empty table PostgreSQL would read as a whole."""
    if tx.dialect.name == "sqlite":
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    else:
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        tx.exec_driver_sql(f"SET LOCAL enable_bitmapscan = {bitmaps}")
        rows = tx.exec_driver_sql(f"EXPLAIN {statement}", parameters)
    return "\n".join(str(one[-1]) for one in rows)


def test_every_question_about_history_is_answered_by_its_index(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    define(store, clock, "a", "0 * * * *")
    with store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=now)
    far = START - HOUR * run_choice.MORE * 2
    not_well = set(RunState) - UNFINISHED - {RunState.SUCCEEDED}
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        **{state: ("ix_job_queue_by_state", {"states": (state,)}) for state in sorted(not_well)},
        "several": ("ix_job_queue_by_state", {"states": (RunState.FAILED, RunState.MISSED)}),
        "queued": ("ix_job_queue_due", {"states": (RunState.QUEUED,)}),
        "running": ("ix_job_queue_running", {"states": (RunState.RUNNING,)}),
        "since": ("ix_job_queue_by_due", {"since": now}),
        "until": ("ix_job_queue_by_due", {"until": far}),
        "succeeded until": ("ix_job_queue_by_due", {"until": far, "states": (RunState.SUCCEEDED,)}),
        "failed since": ("ix_job_queue_by_state", {"since": now, "states": (RunState.FAILED,)}),
        "job": ("ix_job_queue_", {"job_id": "a"}),
    }
    record_all(store, past(run_choice.MORE * 3))
    for name, (index, choice) in asked.items():
        for after in (None, run_id(now)):
            with statements(store) as said, store.read() as tx:
                run_choice.newest(tx, most=5, after=after, **choice)
            with store.read() as tx:
                plans = [plan(tx, *one) for one in said]
            assert index in "".join(plans), (name, after, plans)
            assert not any("Seq Scan on job_queue" in one for one in plans), (name, plans)
    with statements(store) as said, store.read() as tx:
        audit.audit(tx, now=now, job_id="a")
        page_marks.of_everything(tx)
        page_marks.of_run(tx, run_id(now))
        run_health.slow(tx, now)
        run_health.ended_badly(tx, now)
        history.counts(tx)
        history.tally(tx, since=now, until=now)
        history.failed(tx, since=now, until=now, most=5)
        history.first_attempts(tx, since=now, until=now, most=5)
        bundle.in_use(tx)
        outage.late(tx, now=now)
        run_pruning.prune(tx, before=now - HOUR * 10_000, most=5)
        run_pruning.prune_job(tx, "a", keep=10_000, most=5)
    with store.read() as tx:
        for statement, parameters in said:
            found = plan(tx, statement, parameters, bitmaps="on")
            assert reads_all(found) == [], (statement, found)
    with statements(store) as said, store.write() as tx:
        occurrences.going_on(tx, "a", now)
        occurrences.unfinished(tx, "a", now=now)
        outage.late(tx, now=now)
    with store.read() as tx:
        for statement, parameters in said:
            found = plan(tx, statement, parameters, bitmaps="on")
            assert reads_a_history(found) == [], (statement, found)


def reads_all(plan: str) -> list[str]:
    """Return the lines of a plan that read every run there ever was."""
    few = "ix_job_queue_(due|running)"  # indexes of what waits or runs
    names = r"\b(job_queue|other|in_pool|kept)"  # of the table, where it is joined to itself
    whole = rf"Seq Scan on job_queue|SCAN {names}( USING (COVERING )?INDEX (?!{few})\w+)?$"
    return [line for line in plan.splitlines() if re.search(whole, line)]


def reads_a_history(plan: str) -> list[str]:
    """Return the lines of SQLite's plan that read every run of a job."""
    few = "ix_job_queue_running|uq_job_queue_chain_key|sqlite_autoindex_jobs"
    whole = rf"SEARCH \w+ USING (COVERING )?INDEX (?!{few})\w+ \(job_id=\?\)$"
    return [line for line in plan.splitlines() if re.search(whole, line)]


def driver_statements() -> dict[str, Statement]:
    """Return what goes to the driver past SQLAlchemy and asks about runs, by where it is kept."""
    found = {}
    for module in pkgutil.walk_packages(chalicelib.store.__path__, f"{chalicelib.store.__name__}."):
        if ".migrations." in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement) and "job_queue" in value.text("sqlite"):
                found[f"{module.name}.{name}"] = value
    return found


@pytest.mark.parametrize("name", sorted(driver_statements()))
def test_what_goes_to_the_driver_reads_runs_by_an_index(store: Store, name: str) -> None:
    with store.read() as tx:
        text = driver_statements()[name].text(tx.dialect.name)
        if tx.dialect.name == "sqlite":
            raw: Any = tx.connection.dbapi_connection
            known = dict.fromkeys(re.findall(r":(\w+)", text))
            rows = raw.execute(f"EXPLAIN QUERY PLAN {text}", known).fetchall()
        else:
            places = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", text))))
            places = f"({places})" if places else ""
            for setting in ("enable_seqscan TO off", "plan_cache_mode TO force_generic_plan"):
                tx.exec_driver_sql(f"SET LOCAL {setting}")
            tx.exec_driver_sql(f"PREPARE asked AS {text}")
            rows = tx.exec_driver_sql(f"EXPLAIN EXECUTE asked{places}" if places else "EXPLAIN EXECUTE asked")
        found = "\n".join(str(one[-1]) for one in rows)
    assert reads_all(found) == [], found
    if "ORDER BY job_queue.id DESC" not in text:
        assert reads_a_history(found) == [], found
