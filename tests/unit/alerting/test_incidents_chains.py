"""What is told of runs that follow others."""

from __future__ import annotations

from sqlalchemy import insert, select

from chalicelib.model.faults import DEFINITION_REJECTED
from chalicelib.model.runs import Origin, RunState, new_run_id
from chalicelib.store import schema
from tests.conftest import define

from .conftest import YEARLY, World


def test_a_missed_run_of_a_chain_is_told_with_the_time_of_its_chain(world: World) -> None:
    define(world.store, world.clock, "parent", YEARLY)
    define(world.store, world.clock, "child", "", after=["parent"])
    now = world.clock.now()
    with world.store.write() as tx:
        row = {"id": new_run_id(), "job_id": "child", "state": RunState.MISSED, "origin": Origin.CHAIN}
        times = dict.fromkeys(("due_at", "created_at", "finished_at", "chain_at"), now)
        why = {"max_attempts": 1, "reason": DEFINITION_REJECTED}
        tx.execute(insert(schema.job_queue).values(**row, **times, **why))
    world.look()
    with world.store.read() as tx:
        told = tx.execute(select(schema.incidents.c.kind, schema.incidents.c.since)).all()
    assert [tuple(one) for one in told] == [("missed", now)]
