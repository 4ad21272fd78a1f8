"""Chains, pools and limits on the pages of jobs and of runs."""

from __future__ import annotations

import re

from chalicelib.model.runs import RunState
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client


def seen(page: str) -> str:
    """The words of a page without its markup."""
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def test_a_job_names_what_it_follows_what_follows_it_and_what_it_shares(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "first", "0 3 1 1 *", pool="db", priority=5, max_processes=9)
    define(sauron.store, clock, "second", "", after=["first"], memory_mb=64, slow_after_seconds=45)
    first, second = (client.get(f"/ui/jobs/{name}").body for name in ("first", "second"))
    for said in (
        "Followed by second",
        "Pool db",
        "Priority 5: before those of priority 0",
        "Processes an attempt is ended above 9",
    ):
        assert said in seen(first)
    for said in (
        "Next run none after first",
        "Schedule after first After first",
        "Memory an attempt is ended above 64 MB",
        "Slow told when an attempt runs for 45 s",
    ):
        assert said in seen(second)
    assert 'href="/ui/jobs/second">second</a>' in first
    assert 'href="/ui/jobs/first">first</a>' in second
    assert "<code></code>" not in second
    row = client.get("/ui/jobs?q=second").body
    assert "after first" in seen(row)
    assert "<code></code>" not in row


def test_a_run_names_its_parents_and_the_pool_that_it_waits_for(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "first", "0 3 1 1 *", pool="db")
    parent = record(sauron.store, "first", RunState.RUNNING, clock.now(), pool="db")
    told = {"first": {"run_id": parent, "state": "succeeded", "result": None}}
    run_id = record(
        sauron.store, "nightly-backup", RunState.QUEUED, clock.now(), pool="db", parents=told, origin="chain"
    )
    page = client.get(f"/ui/runs/{run_id}").body
    assert f'<a href="/ui/runs/{parent}">first</a> (succeeded)' in page
    assert "waits for the pool db: 1 of its 1 places are taken" in page
