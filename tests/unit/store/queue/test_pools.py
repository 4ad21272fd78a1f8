"""Pools and priorities: which of the due runs starts, and that a pool never holds more than its size."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from sqlalchemy import func, select

from chalicelib.model.pools import Waiting
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.store import Store
from chalicelib.store.postgres import statements
from chalicelib.store.queue import claims, finish, pools
from chalicelib.store.schema import job_queue
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store


def sizes(store: Store, **sizes: int) -> None:
    with store.write() as tx:
        pools.keep_sizes(tx, sizes)


def taken(store: Store, clock: ManualClock, owner: str = "me") -> list[str]:
    """Claim until nothing is left to claim and return the jobs in that order."""
    found: list[str] = []
    while True:
        with store.write() as tx:
            claim = claims.claim(tx, owner=owner, now=clock.now())
        if claim.run is None:
            return found
        found.append(claim.run.job_id)


def asked(store: Store, clock: ManualClock, *job_ids: str, force: bool = False) -> None:
    """Have each job run, each a second after the one before."""
    operations = Operations(store, clock)
    for job_id in job_ids:
        operations.trigger(job_id, TriggerRequest(force=force))
        clock.move(seconds=1)


def test_higher_priority_starts_first_and_among_equals_what_is_due_earlier(
    store: Store, clock: ManualClock
) -> None:
    for job_id, priority in (
        ("low", -3),
        ("lower", -10),
        ("plain", 0),
        ("other", 0),
        ("high", 2),
        ("top", 10),
    ):
        define(store, clock, job_id, "0 0 1 1 *", priority=priority)
    asked(store, clock, "lower", "low", "plain", "high", "other", "top")
    assert taken(store, clock) == ["top", "high", "plain", "other", "low", "lower"]


def test_a_pool_holds_no_more_than_its_size_and_lets_the_others_pass(
    store: Store, clock: ManualClock
) -> None:
    sizes(store, db=2)
    for job_id in ("a", "b", "c"):
        define(store, clock, job_id, "0 0 1 1 *", pool="db", overlap="allow")
    define(store, clock, "lonely", "0 0 1 1 *", pool="unsized", overlap="allow")
    define(store, clock, "free", "0 0 1 1 *")
    asked(store, clock, "a", "b", "c", "lonely", "lonely", "free")
    assert taken(store, clock) == ["a", "b", "lonely", "free"]
    with store.read() as tx:
        assert pools.waiting(tx, {"db", "unsized", "empty"}) == {
            "db": Waiting("db", 2, 2),
            "unsized": Waiting("unsized", 1, 1),
        }


def test_force_does_not_pass_a_pool(store: Store, clock: ManualClock) -> None:
    define(store, clock, "a", "0 0 1 1 *", pool="db")
    asked(store, clock, "a", "a", force=True)
    assert taken(store, clock) == ["a"]


def test_the_end_of_a_run_gives_its_place_to_the_next_in_the_same_transaction(
    store: Store, clock: ManualClock
) -> None:
    job = define(store, clock, "a", "0 0 1 1 *", pool="db")
    define(store, clock, "b", "0 0 1 1 *", pool="db", overlap="allow")
    asked(store, clock, "a", "b")
    with store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
    assert run is not None
    ended = finish.AttemptEnd(run, job.spec, Verdict(Outcome.SUCCEEDED), "me", clock.now(), None, True, "")
    done = finish.finish_and_claim(store, ended, flush=None, claim=True)
    assert done.recorded
    assert done.claim.run is not None
    assert done.claim.run.job_id == "b"


def test_a_new_definition_gives_its_waiting_runs_the_new_pool_and_priority(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "a", "0 0 1 1 *")
    define(store, clock, "b", "0 0 1 1 *", pool="db")
    asked(store, clock, "b", "a")
    assert taken(store, clock) == ["b", "a"]
    asked(store, clock, "a")
    define(store, clock, "a", "0 0 1 1 *", pool="db", priority=4, overlap="allow")
    with store.read() as tx:
        kept = set(
            tx.execute(select(job_queue.c.pool, job_queue.c.priority).where(job_queue.c.job_id == "a"))
        )
    assert kept == {("db", 4)}
    assert taken(store, clock) == []


def test_claims_that_race_never_exceed_a_pool(store: Store, clock: ManualClock) -> None:
    sizes(store, db=3)
    for number in range(12):
        define(store, clock, f"job-{number}", "0 0 1 1 *", pool="db", overlap=("skip", "allow")[number % 2])
        asked(store, clock, f"job-{number}")
    most: list[int] = []
    begin = threading.Barrier(6)

    def work(owner: str) -> None:
        begin.wait()
        idle = 0
        while idle < 3:
            with store.write() as tx:
                run = claims.claim(tx, owner=owner, now=clock.now()).run
            with store.read() as tx:
                running = select(func.count()).where(job_queue.c.state == "running")
                most.append(tx.execute(running).scalar_one())
            idle = 0 if run else idle + 1
            if run:
                with store.write() as tx:
                    finish.finish(
                        tx, run, Verdict(Outcome.SUCCEEDED), owner=owner, now=clock.now(), retry_at=None
                    )

    threads = [threading.Thread(target=work, args=(f"runner-{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = len(taken(store, clock))
    assert max(most) <= 3
    with store.read() as tx:
        ended = tx.execute(select(func.count()).where(job_queue.c.state == "succeeded")).scalar_one()
    assert ended + left == 12


def test_a_claim_finds_runs_by_the_index_of_what_is_queued(store: Store, clock: ManualClock) -> None:
    """Also while the statistics of PostgreSQL say that all there is is queued."""
    define(store, clock, "a", "0 0 1 1 *", overlap="allow")
    for _ in range(200):
        asked(store, clock, "a")
    with store.write() as tx:
        if store.sqlite:
            statement = claims._candidate.text("sqlite")
            values = dict.fromkeys(re.findall(r":(\w+)", statement), "2026-01-01T00:00:00.000000Z")
            raw: Any = tx.connection.dbapi_connection
            plan = " ".join(row[-1] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            used = re.findall(r"SEARCH job_queue USING INDEX (\w+)", plan)
        else:
            statement = statements._take(excluding=False).text("postgresql")
            nulls = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
            tx.exec_driver_sql("ANALYZE job_queue")
            tx.exec_driver_sql("SET LOCAL plan_cache_mode TO force_generic_plan")
            tx.exec_driver_sql(f"PREPARE asked AS {statement}")
            plan = "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN EXECUTE asked({nulls})"))
            used = re.findall(r"Scan using (\w+) on job_queue(?: job_queue_[12])?  ", plan)
    due = [one for one in used if one != "pk_job_queue"]
    assert due == ["ix_job_queue_by_priority", "ix_job_queue_due", "ix_job_queue_by_priority"], plan


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_an_end_finds_its_attempt_by_its_key_also_where_the_plan_was_made_without_attempts(
    store: Store, clock: ManualClock
) -> None:
    statement = statements._finish(final=True, copied=False, claims=False).text("postgresql")
    nulls = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
    with store.write() as tx:
        for setting in ("enable_seqscan TO off", "plan_cache_mode TO force_generic_plan"):
            tx.exec_driver_sql(f"SET LOCAL {setting}")
        tx.exec_driver_sql(f"PREPARE asked AS {statement}")
        plan = "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN EXECUTE asked({nulls})"))
    assert re.search(r"on attempts.*\n\s*Index Cond: \(\(\(run_id\)::text = .* AND \(number = ", plan), plan
