"""The duties of one process: what upkeep finds, alerts and copies, and when the outside monitor is pinged."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.lifehub.publisher import DUTY
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.operations.missing_secrets import missing_secrets
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.settings import Settings
from chalicelib.store import alerts, bundle, duties, incidents, outbox, registry
from chalicelib.store.outbox import RowKind
from chalicelib.store.queue import claims, finish
from chalicelib.wakeup.peers import Peers
from chalicelib.wiring import LAMBDA, RUNNER, Runtime, Sauron
from chalicelib.wiring import build as build_sauron
from tests.conftest import ManualClock, define
from tests.http_receiver import Receiver, receive

HUB = {"DATABASE_URL": "postgresql://hub.test/life"}
BAD = Verdict(Outcome.FAILED, "no route to host", "OSError")

Build = Callable[..., Sauron]


@pytest.fixture
def build(tmp_path: Path, clock: ManualClock, empty_store: Path) -> Iterator[Build]:
    shutil.copy(empty_store, tmp_path / "s.sqlite3")
    made: list[Sauron] = []

    def make(runtime: Runtime = LAMBDA, **environ: str) -> Sauron:
        known = {
            "JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3",
            "JOBS_DIR": f"{tmp_path}/jobs",
            **environ,
        }
        made.append(build_sauron(Settings.read(known), clock=clock, runtime=runtime))
        define(made[-1].store, clock, "report", "0 8 * * *", max_attempts=1)
        return made[-1]

    yield make
    for sauron in made:
        sauron.close()


@pytest.fixture
def outside() -> Iterator[Receiver]:
    with receive() as receiver:
        yield receiver


def waiting(sauron: Sauron) -> list[tuple[RowKind, str | None]]:
    with sauron.store.read() as tx:
        return [(entry.kind, entry.job_id) for entry in outbox.waiting(tx, 100)]


def ended(sauron: Sauron, clock: ManualClock, verdict: Verdict) -> None:
    Operations(sauron.store, clock).trigger("report", TriggerRequest(force=True))
    with sauron.store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
        assert run is not None
        finish.finish(tx, run, verdict, owner="me", now=clock.now(), retry_at=None)
    clock.move(seconds=1)


def fresh(sauron: Sauron, clock: ManualClock) -> None:
    with sauron.store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
        bundle.change(tx, last_sync=clock.now())


def test_without_life_hub_nothing_grows_for_it(build: Build, clock: ManualClock) -> None:
    sauron = build()
    sauron.membership.join()
    ended(sauron, clock, BAD)
    for _ in range(3):
        sauron.operations.disable("report")
        sauron.operations.enable("report")
    # of no attempt, and never more than there are jobs
    assert waiting(sauron) == [(RowKind.JOBS, None), (RowKind.JOB, "report")]
    assert sauron.publisher is None


def test_a_start_copies_everything_and_a_switch_its_job(build: Build, clock: ManualClock) -> None:
    sauron = build(**HUB)
    sauron.membership.join()
    assert waiting(sauron) == [(RowKind.JOBS, None)]
    sauron.operations.disable("report", SwitchRequest(until=clock.now() + timedelta(minutes=5)))
    sauron.operations.enable("report")
    sauron.operations.disable("report", SwitchRequest(until=clock.now() + timedelta(minutes=5)))
    assert waiting(sauron) == [(RowKind.JOBS, None), (RowKind.JOB, "report")]
    assert sauron.signals.outbox.wait(0) == {""}


def test_an_override_that_ends_by_itself_is_copied(build: Build, clock: ManualClock) -> None:
    sauron = build(**HUB)
    sauron.operations.disable("report", SwitchRequest(until=clock.now() + timedelta(minutes=5)))
    with sauron.store.write() as tx:
        outbox.done(tx, [entry.id for entry in outbox.waiting(tx, 10)])
    clock.move(minutes=4)
    sauron.duties.tick()
    assert waiting(sauron) == []
    clock.move(minutes=2)
    sauron.duties.tick()
    assert waiting(sauron) == [(RowKind.JOB, "report")]


def test_a_runner_has_the_builtin_jobs(build: Build) -> None:
    sauron = build()
    sauron.duties.define_builtin()
    with sauron.store.read() as tx:
        assert [job.id for job in registry.all_jobs(tx, source="builtin")] == [
            "sauron.backup",
            "sauron.digest",
            "sauron.health",
            "sauron.retention",
        ]


def test_where_no_thread_sees_to_it_upkeep_finds_and_tells(
    build: Build, clock: ManualClock, outside: Receiver
) -> None:
    sauron = build(SAURON_ALERT_WEBHOOK_URL=outside.url)
    ended(sauron, clock, BAD)
    sauron.duties.upkeep()
    assert ['"job.failing"' in asked.body for asked in outside.asked] == [True]
    sauron.duties.upkeep()
    assert len(outside.asked) == 1


def test_a_runner_leaves_alerts_and_copies_to_its_threads_and_lambda_does_both_in_upkeep(
    build: Build, clock: ManualClock, outside: Receiver
) -> None:
    environ = {"SAURON_ALERT_WEBHOOK_URL": outside.url, "DATABASE_URL": "postgresql://127.0.0.1:9/life"}
    runner = build(RUNNER, **environ)
    runner.operations.enable("report")  # which is to be copied
    ended(runner, clock, BAD)
    runner.duties.upkeep()
    assert runner.signals.review.wait(0) == {""}  # the alert senders look at once
    assert (outside.asked, copied(runner)) == ([], None)
    build(LAMBDA, **environ).duties.upkeep()
    assert (len(outside.asked), copied(runner)) == (1, "tried")


def copied(sauron: Sauron) -> str | None:
    """Say whether a copy to Life Hub was tried: an address where none is leaves its mark."""
    with sauron.store.read() as tx:
        return "tried" if duties.duty(tx, DUTY) else None


def listening(sauron: Sauron) -> Peers:
    """Join beside a process, as another runner of its machine."""
    assert sauron.store.path is not None
    other = Peers(sauron.store.path.with_name(sauron.store.path.name + ".runners"))
    other.join("other")
    return other


def test_other_runners_are_woken_by_a_tick_that_queued_runs_and_by_no_other(
    build: Build, clock: ManualClock
) -> None:
    sauron = build(RUNNER)
    define(sauron.store, clock, "soon", "4 12 * * *")
    other = listening(sauron)
    sauron.duties.tick()
    assert not other.wait(0)
    clock.move(minutes=2)
    assert sauron.duties.tick().queued == 1
    assert other.wait(0)
    other.leave()


def test_other_runners_are_woken_for_runs_that_were_rescued(build: Build, clock: ManualClock) -> None:
    sauron = build(RUNNER)
    dead = listening(sauron)
    sauron.operations.trigger("report")
    with sauron.store.write() as tx:
        assert claims.claim(tx, owner="other", now=clock.now()).run is not None
    dead.leave()
    dead.join("other")
    assert dead.lock_descriptor is not None
    fcntl.flock(dead.lock_descriptor, fcntl.LOCK_UN)  # as when its process died
    dead.wait(0)
    sauron.duties.rescue_gone()
    assert dead.wait(0)
    dead.leave()


def test_switching_a_job_off_ends_what_was_wrong_with_it_and_says_so(
    build: Build, clock: ManualClock, outside: Receiver
) -> None:
    sauron = build(SAURON_ALERT_WEBHOOK_URL=outside.url)
    ended(sauron, clock, BAD)
    assert sauron.duties.review(["report"]) == 1
    sauron.operations.disable("report")
    with sauron.store.read() as tx:
        assert incidents.open_incidents(tx) == []
        assert alerts.waiting(tx) == 2  # that it fails, and that this no longer counts


@pytest.mark.parametrize("runtime", [RUNNER, LAMBDA], ids=lambda runtime: runtime.name)
def test_the_switch_is_pinged_while_all_is_fresh_and_not_when_the_tick_stands(
    build: Build, clock: ManualClock, outside: Receiver, runtime: Runtime
) -> None:
    sauron = build(runtime, SAURON_HEARTBEAT_URL=f"{outside.url}/ping/abc", JOBS_GIT_REPO_URL="/nowhere")
    sauron.duties.upkeep()
    assert outside.asked == []  # it has neither ticked nor synced
    fresh(sauron, clock)
    sauron.duties.upkeep()
    assert [(asked.method, asked.path) for asked in outside.asked] == [("GET", "/ping/abc")]
    clock.move(minutes=4)
    sauron.duties.upkeep()
    assert len(outside.asked) == 1


def test_the_switch_is_not_pinged_when_the_bundle_is_stale(
    build: Build, clock: ManualClock, outside: Receiver
) -> None:
    sauron = build(SAURON_HEARTBEAT_URL=outside.url, JOBS_GIT_REPO_URL="/nowhere")
    fresh(sauron, clock)
    clock.move(hours=2)
    sauron.duties.tick()
    sauron.duties.upkeep()
    assert outside.asked == []


def test_the_switch_is_not_pinged_when_the_store_is_damaged(
    build: Build, clock: ManualClock, outside: Receiver
) -> None:
    sauron = build(SAURON_HEARTBEAT_URL=outside.url, JOBS_GIT_REPO_URL="/nowhere")
    fresh(sauron, clock)
    assert sauron.store.file
    sauron.store.file.note_damage("page 7 is not what it was")
    sauron.duties.upkeep()
    assert outside.asked == []


def test_jobs_that_lack_a_required_secret_are_named(build: Build, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\n")
    sauron = build(CRM_TOKEN="set-in-the-environment", DISK_TOKEN_FILE=str(tmp_path / "token"))
    secrets: list[dict[str, Any]] = [
        {"key": name, "required": required}
        for name, required in (
            ("CRM_TOKEN", True),
            ("DISK_TOKEN", True),
            ("MAYBE", False),
            ("GONE", True),
            ("LOST", True),
        )
    ]
    define(sauron.store, clock, "crm", secrets=secrets)
    define(sauron.store, clock, "none", secrets=[])
    with sauron.store.read() as tx:
        found = missing_secrets(tx, sauron.job_environment.missing)
    assert found == [{"job_id": "crm", "missing": ["GONE", "LOST"]}]


def test_what_jobs_declare_is_known_from_the_first_moment_after_a_restart(
    build: Build, clock: ManualClock
) -> None:
    sauron = build(CRM_TOKEN="token-of-the-crm")
    define(sauron.store, clock, "crm", secrets=[{"key": "CRM_TOKEN", "required": True}])
    assert build(CRM_TOKEN="token-of-the-crm").job_environment.masker().text("token-of-the-crm") == "***"


def test_a_trigger_is_masked_without_building_the_loader(build: Build) -> None:
    sauron = build(SAURON_API_TOKENS="jarvis:operate:a-token-of-sixteen-signs")
    run = sauron.operations.trigger("report", TriggerRequest(reason="with a-token-of-sixteen-signs"))
    assert run.reason == "with ***"
    assert sauron.revisions.built is None
