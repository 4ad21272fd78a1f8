from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.errors import StoreError
from chalicelib.maintenance.backup import backup
from chalicelib.maintenance.retention import Pruned, prune
from chalicelib.model.runs import Outcome, Run, RunState, Verdict
from chalicelib.operations.operations import Operations, TriggerRequest
from chalicelib.settings import Settings
from chalicelib.store import Store, alerts, bundle, history, log_chunks, periods
from chalicelib.store.queue import claims, finish
from tests.conftest import ManualClock, define, job_record
from tests.recorded_runs import record

pytestmark = pytest.mark.every_store

YEARLY = "0 0 1 1 *"


@pytest.fixture
def settings() -> Settings:
    return Settings.read(
        {"SAURON_KEEP_RUNS_DAYS": "10", "SAURON_KEEP_LOGS_DAYS": "3", "SAURON_KEEP_RUNS_PER_JOB": "10"}
    )


def running(store: Store, clock: ManualClock) -> Run:
    define(store, clock, "j", YEARLY)
    Operations(store, clock).trigger("j", TriggerRequest(force=True))
    with store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
    assert run
    return run


def finished(store: Store, clock: ManualClock) -> Run:
    run = running(store, clock)
    with store.write() as tx:
        log_chunks.append(tx, run.id, 1, ["said"], now=clock.now())
        finish.finish(tx, run, Verdict(Outcome.SUCCEEDED), owner="me", now=clock.now(), retry_at=None)
    return run


def test_logs_go_before_runs_and_both_by_their_age(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    run = finished(store, clock)
    clock.move(days=4)
    assert prune(store, clock, settings).chunks == 1
    with store.read() as tx:
        assert (log_chunks.read(tx, run.id), history.run(tx, run.id) is not None) == ([], True)
    clock.move(days=7)
    assert prune(store, clock, settings).runs == 1
    with store.read() as tx:
        assert history.run(tx, run.id) is None


@pytest.mark.slow
def test_a_job_keeps_its_newest_runs_up_to_the_number(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    runs = []
    for _ in range(70):
        runs.append(finished(store, clock))
        clock.move(seconds=1)
    prune(store, clock, settings)
    with store.read() as tx:
        assert {run.id for run in history.runs(tx, job_id="j", limit=100)} == {run.id for run in runs[-10:]}


def test_what_is_not_over_is_never_pruned(store: Store, clock: ManualClock, settings: Settings) -> None:
    run = running(store, clock)
    clock.move(days=400)
    assert prune(store, clock, settings).runs == 0
    with store.read() as tx:
        kept = history.run(tx, run.id)
    assert kept is not None
    assert kept.state is RunState.RUNNING


def test_a_pass_is_bounded_and_says_that_there_is_more(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    for _ in range(9):
        finished(store, clock)
    clock.move(days=11)
    passes: list[Pruned] = []
    while not passes or passes[-1].more:
        passes.append(prune(store, clock, settings, batch=2, most_batches=2))
    assert sum(one.runs for one in passes) == 9
    assert len(passes) > 2
    assert max(one.runs for one in passes) <= 2 * 2 + 2


def test_an_alert_goes_a_month_after_it_was_delivered_and_never_before(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    with store.write() as tx:
        for _ in range(2):
            alerts.put(tx, ["mail"], "job.failing", {"title": "t"}, now=clock.now())
        [first, _second] = alerts.claim(tx, "mail", now=clock.now(), until=clock.now(), most=10)
        alerts.sent(tx, [first.id], now=clock.now())
    clock.move(days=31)
    assert prune(store, clock, settings).alerts == 1
    with store.read() as tx:
        assert alerts.waiting(tx) == 1


def test_revisions_and_periods_go_when_no_run_and_no_ledger_needs_them(
    store: Store, clock: ManualClock, settings: Settings
) -> None:
    shas = [letter * 40 for letter in "bcdefgh"]
    with store.write() as tx:
        for sha in shas:
            bundle.add_revision(tx, sha, [job_record("j")], [], subject=None, author=None, now=clock.now())
            bundle.mark_activated(tx, sha, now=clock.move(minutes=1))
        bundle.change(tx, active_sha=shas[-1])
    clock.move(days=11)
    prune(store, clock, settings)
    with store.read() as tx:
        left = {sha for sha in shas if bundle.find_revisions(tx, sha)}
    assert left == set(shas[-5:])  # those lately active keep their checkout
    define(store, clock, "edited", "* * * * *")
    clock.move(minutes=1)
    define(store, clock, "edited", "0 * * * *")
    with store.write() as tx:
        assert len(periods.periods_of(tx, "edited")) == 2
        tx.exec_driver_sql(
            "UPDATE jobs SET ledger_from = '2999-01-01T00:00:00.000000Z' WHERE job_id = 'edited'"
        )
    prune(store, clock, settings)
    with store.read() as tx:
        assert len(periods.periods_of(tx, "edited")) == 1


def test_a_revision_that_a_run_names_or_that_comes_into_use_meanwhile_is_kept(
    store: Store, clock: ManualClock
) -> None:
    named, back, gone, *newer = (letter * 40 for letter in "bcdefghi")
    with store.write() as tx:
        for sha in (named, back, gone, *newer):
            bundle.add_revision(tx, sha, [job_record("j")], [], subject=None, author=None, now=clock.now())
            bundle.mark_activated(tx, sha, now=clock.move(minutes=1))
        bundle.change(tx, active_sha=newer[-1])
    record(store, "j", RunState.SUCCEEDED, clock.now(), revision=named)
    clock.move(days=11)
    with store.read() as tx:
        unused = bundle.unused(tx, before=clock.now())
    assert unused == {back, gone}
    with store.write() as tx:
        bundle.change(tx, active_sha=back)
        bundle.forget(tx, unused)
        assert set(bundle.known_revisions(tx, {named, back, gone})) == {named, back}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the others are copied by pg_dump
def test_copies_of_the_store_are_whole_and_the_newest_are_kept(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    settings = Settings.read({"SAURON_BACKUP_DIR": str(tmp_path / "copies"), "SAURON_KEEP_BACKUPS": "2"})
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "mine.sqlite3").touch()
    files = []
    for _ in range(4):
        finished(store, clock)
        clock.move(days=1)
        files.append(backup(store, clock, settings).file)
    assert [file.exists() for file in files] == [False, False, True, True]
    assert (tmp_path / "copies" / "mine.sqlite3").exists()
    with sqlite3.connect(files[-1]) as copied:
        assert copied.execute("SELECT count(*) FROM job_queue").fetchone() == (4,)
    copied.close()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the others are copied by pg_dump
def test_a_copy_that_would_fill_the_disk_is_refused_with_what_to_do(store: Store, clock: ManualClock) -> None:
    assert store.path is not None
    size = store.path.stat().st_size
    with pytest.raises(StoreError, match=r"SAURON_BACKUP_DIR"):
        backup(store, clock, Settings.read({}), free_bytes=lambda _folder: 2 * size - 1)
    assert list(store.path.parent.glob("backups/*")) == []
    assert backup(store, clock, Settings.read({}), free_bytes=lambda _folder: 2 * size).kept == 1


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the others are copied by pg_dump
def test_a_folder_that_cannot_be_used_is_named(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"SAURON_BACKUP_DIR .*file/copies"):
        backup(store, clock, Settings.read({"SAURON_BACKUP_DIR": str(tmp_path / "file" / "copies")}))


def test_nothing_younger_is_touched(store: Store, clock: ManualClock, settings: Settings) -> None:
    run = finished(store, clock)
    clock.move(days=2)
    assert prune(store, clock, settings) == Pruned()
    with store.read() as tx:
        assert history.runs(tx, job_id="j", since=clock.now() - timedelta(days=3))[0].id == run.id
