"""What a job was at any time is written with the act that changed it, and only then; so is each silence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.answers import ask_why
from chalicelib.model.runs import JobId
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.settings import Settings
from chalicelib.store import Store, ledger, registry, silences, standings
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store


def told(store: Store, job_id: str) -> list[tuple[str, bool, bool, str | None]]:
    with store.read() as tx:
        known = standings.of_job(tx, job_id)
    return [(f"{s.since:%H:%M}", s.enabled, s.overridden, s.who) for s in known]


def test_every_act_that_changes_a_job_is_told_once(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "*/10 * * * *")
    define(store, clock, "j", "*/20 * * * *")  # edited, and as much on as before
    clock.move(minutes=1)
    operations = Operations(store, clock)
    operations.disable(
        "j", SwitchRequest(by="ann", reason="noisy", until=clock.now() + timedelta(minutes=8, seconds=20))
    )
    for _ in range(10):
        clock.move(minutes=1)
        tick(store, clock)
    clock.move(minutes=1)
    with store.write() as tx:
        job = registry.job(tx, "j")
        assert job
        ledger.reject(tx, job, "bad cron", now=clock.now(), revision="b" * 40)
    clock.move(minutes=1)
    with store.write() as tx:
        job = registry.job(tx, "j")
        assert job
        ledger.rename(tx, job, JobId("k"), now=clock.now())
        renamed = registry.job(tx, "k")
        assert renamed
        ledger.retire(tx, renamed, now=clock.now() + timedelta(minutes=1), revision="c" * 40)
    assert told(store, "j") == []
    assert told(store, "k") == [
        ("12:00", True, False, None),
        ("12:01", False, True, "ann"),
        ("12:09", True, False, None),  # the end of the override, whenever the tick came
        ("12:12", True, False, None),
        ("12:13", True, False, None),
        ("12:14", False, False, None),
    ]
    with store.read() as tx:
        known = standings.of_job(tx, "k")
        assert registry.nearest(tx, "j") == ["k"]
    assert [s.rejected for s in known] == [None, None, None, "bad cron", "bad cron", None]
    assert [s.renamed_from for s in known] == [None, None, None, None, "j", None]
    assert [s.revision for s in known] == ["a" * 40, None, None, "b" * 40, None, "c" * 40]
    assert [s.removed for s in known] == [False] * 5 + [True]


def test_what_had_ended_is_forgotten_and_what_holds_stays(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j")
    define(store, clock, "steady")
    for enabled in (False, True, False):
        clock.move(minutes=10)
        act = Operations(store, clock).enable if enabled else Operations(store, clock).disable
        act("j")
    with store.write() as tx:
        standings.prune(tx, before=clock.now() - timedelta(minutes=5))
    assert [at for at, *_ in told(store, "j")] == ["12:20", "12:30"]
    assert [at for at, *_ in told(store, "steady")] == ["12:00"]


def test_a_silence_is_noted_once_and_forgotten_in_time(store: Store, clock: ManualClock) -> None:
    began, ended = clock.now(), clock.move(hours=1)
    with store.write() as tx:
        silences.note(tx, since=began, until=ended)
        silences.note(tx, since=began, until=clock.move(seconds=1))
        assert silences.over(tx, began) is None
        assert silences.over(tx, began + timedelta(minutes=1)) == (began, ended)
        assert silences.over(tx, ended) == (began, ended)
        assert silences.over(tx, clock.now()) is None
        silences.prune(tx, before=clock.now())
        assert silences.over(tx, ended) is None


def test_why_answers_alike_on_every_store(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "*/10 * * * *", timezone="Europe/Berlin")
    for _ in range(15):
        clock.move(minutes=1)
        tick(store, clock)
    clock.move(minutes=39)
    tick(store, clock)
    Operations(store, clock).disable("j", SwitchRequest(by="ann"))
    settings = Settings.read({})
    with store.read() as tx:
        answers = {
            at: ask_why.answer(tx, "j", f"2026-03-02T{at}", now=clock.now(), settings=settings)["answer"]
            for at in ("12:59", "13:10", "13:20", "13:21", "13:50", "14:10")
        }
    assert answers == {
        "12:59": "not_yet_defined",
        "13:10": "disabled",  # it was queued, and a claim would look at the job as it is now
        "13:20": "missed",
        "13:21": "not_due",
        "13:50": "disabled",
        "14:10": "disabled",
    }
    with store.read() as tx:
        lately = ask_why.answer(tx, "j", None, now=clock.now(), settings=settings)
    assert lately["enabled"]["who"] == "ann"
