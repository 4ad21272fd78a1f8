from __future__ import annotations

import dataclasses
import gc
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from chalice.app import Chalice, CloudWatchEvent, Cron, Rate
from sqlalchemy.exc import OperationalError

from chalicelib.execution.worker import Worker
from chalicelib.model.runs import Run
from chalicelib.runtime import runner
from chalicelib.settings import Settings
from chalicelib.store import runners
from chalicelib.wakeup.vitals import Vitals
from chalicelib.wiring import COMMAND_LINE, RUNNER, Sauron, build
from tests.e2e.outside import Repository
from tests.facts import wait_until


@pytest.fixture
def sauron(tmp_path: Path) -> Iterator[Sauron]:
    made = build(Settings.read({"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3"}), runtime=RUNNER)
    yield made
    made.close()


def vitals_of(sauron: Sauron) -> Vitals:
    assert sauron.vitals is not None
    return sauron.vitals


def test_every_scheduled_handler_of_the_app_is_fired_at_start_with_an_eventbridge_event(
    sauron: Sauron,
) -> None:
    app = Chalice("some-app")
    seen: dict[str, CloudWatchEvent] = {}
    done = {name: threading.Event() for name in ("tick", "two", "fails")}

    def note(name: str, event: CloudWatchEvent) -> None:
        seen[name] = event
        done[name].set()

    @app.schedule(Rate(1, unit=Rate.MINUTES), name="tick")
    def one(event: CloudWatchEvent) -> None:
        note("tick", event)

    @app.schedule(Cron(0, 10, "?", "*", "MON-FRI", "*"), name="two")
    def two(event: CloudWatchEvent) -> None:
        note("two", event)

    @app.schedule("rate(1 hour)", name="fails")
    def fails(event: CloudWatchEvent) -> None:
        note("fails", event)
        raise RuntimeError("a handler that fails is fired again at its next time")

    running = runner.start(app, sauron)
    assert all(event.wait(30) for event in done.values())
    assert (seen["tick"].source, seen["tick"].detail_type) == ("aws.events", "Scheduled Event")
    assert vitals_of(sauron).clock_alive()
    assert vitals_of(sauron).workers_alive()
    assert not running.failed.is_set()
    running.stop(timedelta())
    assert not running.failed.is_set()
    assert not vitals_of(sauron).workers_alive()


def test_garbage_collection_passes_over_what_a_runner_has_loaded(sauron: Sauron) -> None:
    usual = gc.get_threshold()
    gc.unfreeze()
    try:
        running = runner.start(Chalice("some-app"), sauron)
        known = {id(one) for one in gc.get_objects()}
        running.stop(timedelta())
        assert (id(vars(runner)) in known, gc.get_threshold()[0]) == (False, runner.GARBAGE)
    finally:
        gc.set_threshold(*usual)


@pytest.mark.slow
def test_a_tick_that_fails_and_a_look_that_the_store_refuses_are_noted(sauron: Sauron) -> None:
    app = Chalice("some-app")
    failed, refused = threading.Event(), threading.Event()

    @app.schedule(Rate(1, unit=Rate.MINUTES), name="tick")
    def tick(_event: CloudWatchEvent) -> None:
        failed.set()
        raise RuntimeError("no rule for this cron")

    class Refused(Worker):
        def claim(self, most: int) -> tuple[list[Run], bool]:
            refused.set()
            raise OperationalError("BEGIN", {"most": most}, Exception("database is locked"))

    vitals = vitals_of(sauron)
    worker = Refused(sauron.store, sauron.clock, sauron.revisions, owner=sauron.name, on_claim=vitals.claimed)
    running = runner.start(app, dataclasses.replace(sauron, worker=worker))
    assert failed.wait(30)
    assert refused.wait(30)
    wait_until(lambda: vitals.signs()["tick"].failure and vitals.signs()["claim"].failure, seconds=30)
    running.stop(timedelta())
    signs = vitals.signs()
    assert signs["tick"].failure is not None
    assert signs["tick"].failure.reason == "no rule for this cron"
    assert signs["claim"].failure is not None
    assert signs["claim"].failure.reason == "database is locked"
    assert signs["write"].age_seconds is not None  # it joined the others
    assert vitals.stopped_part() == "The clock has stopped."  # its thread has ended with the runner


def test_a_thread_that_dies_is_noticed(sauron: Sauron) -> None:
    class Broken(Worker):
        def claim(self, most: int) -> tuple[list[Run], bool]:
            raise RuntimeError(most)

    broken = Broken(sauron.store, sauron.clock, sauron.revisions, owner=sauron.name)
    running = runner.start(Chalice("some-app"), dataclasses.replace(sauron, worker=broken))
    assert running.failed.wait(30)
    running.stop(timedelta())
    assert not vitals_of(sauron).workers_alive()


def test_a_disabled_queue_claims_nothing_and_is_healthy(tmp_path: Path) -> None:
    environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3", "JOB_QUEUE_ENABLED": "0"}
    quiet = build(Settings.read(environ), runtime=RUNNER)
    claimed: list[int] = []

    class Noting(Worker):
        def claim(self, most: int) -> tuple[list[Run], bool]:
            claimed.append(most)
            return super().claim(most)

    noting = Noting(quiet.store, quiet.clock, quiet.revisions, owner=quiet.name)
    running = runner.start(Chalice("some-app"), dataclasses.replace(quiet, worker=noting))
    quiet.waker.wake()
    assert vitals_of(quiet).workers_alive()
    running.stop(timedelta())
    assert claimed == []
    quiet.close()


@pytest.mark.process
def test_the_scheduled_handlers_find_a_runner_from_their_first_call_and_the_bundle_is_loaded_by_it(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "bundle")
    sha = repository.commit({"manifest.py": "from sauron_jobs_loader import job_registry\n"})
    environ = {
        "JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/s.sqlite3",
        "JOBS_DIR": f"{tmp_path}/jobs",
        "JOBS_GIT_REPO_URL": str(repository.folder),
    }
    before = build(Settings.read(environ), runtime=COMMAND_LINE)
    assert before.bundle.sync().success
    assert before.revisions.get().preloaded is None  # a command loads what it needs, and keeps nothing
    before.close()
    again = build(Settings.read(environ), runtime=RUNNER)
    app = Chalice("some-app")
    began: list[bool] = []
    synced = threading.Event()

    @app.schedule(Rate(1, unit=Rate.MINUTES), name="sync")
    def sync(_event: CloudWatchEvent) -> None:
        began.append(again.vitals is not None)
        again.bundle.sync_if_due()
        synced.set()

    running = runner.start(app, again)
    assert synced.wait(60)
    assert began == [True]
    with again.store.read() as tx:
        assert [one.revision for one in runners.all_runners(tx)] == [sha]
    running.stop(timedelta())
    again.close()
