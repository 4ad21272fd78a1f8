"""Jobs that follow each other, share a pool, and are all paused."""

from __future__ import annotations

from tests.e2e.contract import problem

from .target import Target, started_after
from .world import World


def test_a_run_that_ends_well_leads_on_to_the_job_that_follows_it(target: Target) -> None:
    alone = target.ended(target.trigger("leads", chain=False))
    parent = target.ended(target.trigger("leads"))
    run = target.until(lambda: next(iter(target.get("/runs?job_id=follows")["runs"]), None), "it follows")
    assert (run["origin"], run["parents"]) == ("chain", {"leads": parent["id"]})
    assert run["scheduled_for"] == parent["scheduled_for"]
    assert target.ended(run["id"])["state"] == "succeeded"
    every = target.get("/runs?job_id=follows")["runs"]
    assert alone["id"] not in {one["parents"]["leads"] for one in every}
    assert target.get("/jobs/follows")["after"] == ["leads"]


def test_a_run_waits_while_its_pool_is_full(world: World) -> None:
    target = world.target
    first, second = (
        target.trigger(f"shares-{place}", params={"until": f"pool-{place}"}) for place in ("one", "two")
    )
    target.until(lambda: "began" in target.log(first) or None, "the first of the pool runs")
    waiting = target.until(lambda: target.run(second)["waiting_for"], "the second waits for the pool")
    assert waiting == {"pool": "parity", "running": 1, "size": 1}
    for place in ("two", "one"):
        world.touch(f"pool-{place}")
    one, two = target.ended(first), target.ended(second)
    assert (one["state"], two["state"]) == ("succeeded", "succeeded")
    assert started_after(two, one)


def test_while_all_is_paused_only_what_is_forced_starts(target: Target) -> None:
    target.post("/pause", {"reason": "moving house"})
    try:
        assert target.get("/status")["paused"]["reason"] == "moving house"
        assert "paused" in problem(target.ask("POST", "/jobs/hello/trigger", json={}), 409)
        assert target.ended(target.trigger("hello", force=True))["state"] == "succeeded"
    finally:
        target.post("/unpause")
    assert target.get("/status")["paused"] is None
    assert target.ended(target.trigger("hello"))["state"] == "succeeded"
