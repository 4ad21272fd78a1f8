from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from chalicelib.answers.audit import audit
from chalicelib.bundle.activation import Loaded
from chalicelib.bundle.report import SyncReport
from chalicelib.bundle.sync import rollback, sync
from chalicelib.errors import BundleError, UnknownRevisionError
from chalicelib.model.runs import RunState
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, bundle, history, registry
from chalicelib.store.queue import claims
from chalicelib.store.schema import jobs
from tests.conftest import ManualClock, job_record

pytestmark = pytest.mark.every_store

HOURLY = "0 * * * *"


class Shelf:
    """Revisions by their ids; the branch points to the newest. It stands for git and the zygote."""

    def __init__(self) -> None:
        self.followed: str | None = None
        self.revisions: dict[str, Loaded | Exception] = {}
        self.retired: list[set[str]] = []
        self.away = False

    def add(self, *records: Mapping[str, Any], rejected: Collection[Mapping[str, Any]] = ()) -> str:
        sha = f"{len(self.revisions) + 1:040x}"
        self.revisions[sha] = Loaded(list(records), list(rejected))
        return sha

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def fetch(self, ref: str | None) -> str:
        if self.away:
            raise BundleError("no route to git.test")
        return ref or list(self.revisions)[-1]

    def load(self, sha: str) -> Loaded:
        found = self.revisions[sha]
        if isinstance(found, Exception):
            raise found
        return found

    def retire(self, keep: Collection[str]) -> None:
        self.retired.append(set(keep))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def jobs_of(store: Store) -> list[str]:
    with store.read() as tx:
        return [job.id for job in registry.all_jobs(tx)]


def sync_now(store: Store, clock: ManualClock, shelf: Shelf, **how: Any) -> SyncReport:
    return sync(store, clock, shelf, **how)


def test_a_sync_activates_the_newest_revision_and_names_what_changed(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    shelf.add(job_record("a", HOURLY), job_record("b", HOURLY), job_record("c", HOURLY))
    assert sync_now(store, clock, shelf).jobs_added == ("a", "b", "c")
    sha = shelf.add(job_record("a", HOURLY), job_record("b", "5 * * * *"), job_record("d", HOURLY))
    report = sync_now(store, clock, shelf)
    assert (report.success, report.sha) == (True, sha)
    assert (report.jobs_added, report.jobs_removed, report.jobs_rescheduled) == (("d",), ("c",), ("b",))
    assert jobs_of(store) == ["a", "b", "d"]
    with store.read() as tx:
        assert bundle.state(tx).active_sha == sha
        assert {job.revision for job in registry.all_jobs(tx)} == {sha}


def test_a_sync_writes_the_changed_jobs_alone_and_all_in_force_are_of_the_active_revision(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    older = [job_record(job_id, HOURLY) for job_id in ("as it was", "edited", "moved", "rejected")]
    first = shelf.add(*older)
    sync_now(store, clock, shelf)
    second = shelf.add(
        older[0],
        job_record("edited", "5 * * * *"),
        job_record("moved", HOURLY, place="manifest.py:9"),
        rejected=[{"job_id": "rejected", "place": "manifest.py:4", "reason": "a bad cron"}],
    )
    assert sync_now(store, clock, shelf).jobs_rescheduled == ("edited",)
    with store.read() as tx:
        written = {row.job_id: row.revision for row in tx.execute(select(jobs.c.job_id, jobs.c.revision))}
        seen = {job.id: (job.revision, job.spec.place) for job in registry.all_jobs(tx)}
        assert audit(tx, now=clock.now()).holes == ()
    assert written == {"as it was": first, "edited": second, "moved": second, "rejected": first}
    assert seen == {
        "as it was": (second, "manifest.py:1"),
        "edited": (second, "manifest.py:1"),
        "moved": (second, "manifest.py:9"),
        "rejected": (first, "manifest.py:1"),
    }


def test_a_revision_that_does_not_load_leaves_the_last_good_one_active(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    good = shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    bad = shelf.add()
    shelf.revisions[bad] = BundleError("manifest.py:3: SyntaxError")
    for failures in (1, 2):
        report = sync_now(store, clock, shelf)
        assert not report.success
        with store.read() as tx:
            state = bundle.state(tx)
        assert (state.active_sha, state.last_error, state.consecutive_failures) == (
            good,
            "manifest.py:3: SyntaxError",
            failures,
        )
    assert jobs_of(store) == ["a"]


def test_bad_jobs_are_left_out_with_their_reason_and_the_good_ones_go_live(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    shelf.add(
        job_record("good", HOURLY),
        job_record("cron", "61 * * * *", place="manifest.py:7"),
        job_record("zone", HOURLY, timezone="Europe/Berln"),
        job_record("jitter", "*/5 * * * *", jitter_minutes=9),
        job_record("schema", HOURLY, params={"schema": {"type": "nonsense"}}),
        rejected=[{"job_id": "Bad Id", "place": "manifest.py:9", "reason": "id"}],
    )
    assert sync_now(store, clock, shelf).success
    assert jobs_of(store) == ["good"]
    with store.read() as tx:
        reasons = {one["job_id"]: one["reason"] for one in bundle.state(tx).rejected}
    assert set(reasons) == {"cron", "zone", "jitter", "schema", "Bad Id"}
    assert "61" in reasons["cron"]
    assert "Europe/Berlin" in reasons["zone"]
    assert "jitter_minutes=9" in reasons["jitter"]


def test_a_job_whose_new_definition_is_rejected_keeps_its_history_and_misses_its_occurrences(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    others = [job_record(name, HOURLY) for name in ("x", "y")]
    shelf.add(job_record("a", "* * * * *"), *others)
    sync_now(store, clock, shelf)
    shelf.add(job_record("a", "99 * * * *"), *others)
    assert sync_now(store, clock, shelf).success
    assert jobs_of(store) == ["a", "x", "y"]
    clock.move(minutes=1)
    tick(store, clock)
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run is None
        missed = history.runs(tx, job_id="a", states=[RunState.MISSED])
    assert [run.reason for run in missed] == ["definition rejected"]
    shelf.add(job_record("a", "* * * * *"), *others)
    sync_now(store, clock, shelf)
    clock.move(minutes=1)
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run is not None
        assert audit(tx, now=clock.now()).holes == ()


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [(4, 2, False), (4, 1, True), (5, 2, True), (3, 1, False), (3, 0, True), (1, 0, True)],
)
def test_a_manifest_that_removes_most_jobs_is_held_until_confirmed(
    store: Store, clock: ManualClock, shelf: Shelf, before: int, after: int, held: bool
) -> None:
    first = shelf.add(*(job_record(f"j{n}", HOURLY) for n in range(before)))
    sync_now(store, clock, shelf)
    shelf.add(*(job_record(f"j{n}", HOURLY) for n in range(after)))
    report = sync_now(store, clock, shelf)
    assert (report.fault == "held", report.success) == (held, not held)
    assert len(jobs_of(store)) == (before if held else after)
    if held:
        assert report.sha == first
        assert "--accept-removals" in report.message
        confirmed = sync_now(store, clock, shelf, accept_removals=True)
        assert (confirmed.success, len(jobs_of(store))) == (True, after)


def test_rejected_definitions_count_as_removed_for_the_guard(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    shelf.add(*(job_record(f"j{n}", HOURLY) for n in range(4)))
    sync_now(store, clock, shelf)
    shelf.add(job_record("j0", HOURLY), *(job_record(f"j{n}", "bad") for n in range(1, 4)))
    assert sync_now(store, clock, shelf).fault == "held"


def test_a_removed_job_keeps_its_history_and_comes_back_without_catching_up(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    both = [job_record("a", "*/10 * * * *", catchup="all"), job_record("b", HOURLY)]
    shelf.add(*both)
    sync_now(store, clock, shelf)
    shelf.add(both[1])
    sync_now(store, clock, shelf)
    clock.move(hours=2)
    tick(store, clock)
    shelf.add(*both)
    sync_now(store, clock, shelf)
    clock.move(minutes=10)
    tick(store, clock)
    with store.read() as tx:
        assert [run.fire_at for run in history.runs(tx, job_id="a")] == [
            clock.now().replace(minute=10, second=0)
        ]
        assert audit(tx, now=clock.now()).holes == ()


def test_an_edit_forgets_what_was_queued_ahead_and_goes_on_under_the_new_schedule(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    shelf.add(job_record("a", "2 * * * *"))
    clock.move(minutes=1)
    sync_now(store, clock, shelf)  # 12:01:30 queues 12:02
    shelf.add(job_record("a", "3 * * * *"))
    sync_now(store, clock, shelf)
    with store.read() as tx:
        assert [run.fire_at for run in history.runs(tx, job_id="a")] == [
            clock.now().replace(minute=3, second=0)
        ]
        assert audit(tx, now=clock.now()).holes == ()


def test_renaming_keeps_history_and_override(store: Store, clock: ManualClock, shelf: Shelf) -> None:
    shelf.add(job_record("old", "* * * * *"), job_record("x", HOURLY))
    sync_now(store, clock, shelf)
    with store.read() as tx:
        before = {run.id for run in history.runs(tx, job_id="old")}
    Operations(store, clock).disable("old", SwitchRequest(reason="quiet", by="ann"))
    shelf.add(job_record("new", "* * * * *", renamed_from="old"), job_record("x", HOURLY))
    report = sync_now(store, clock, shelf)
    assert (report.jobs_removed, report.fault) == ((), None)
    with store.read() as tx:
        job = registry.job(tx, "new")
        assert registry.job(tx, "old") is None
        assert {run.id for run in history.runs(tx, job_id="new")} <= before
    assert job
    assert job.override
    assert (job.enabled, job.override.reason) == (False, "quiet")


def test_an_override_survives_every_sync(store: Store, clock: ManualClock, shelf: Shelf) -> None:
    shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    Operations(store, clock).disable("a")
    shelf.add(job_record("a", "5 * * * *"))
    sync_now(store, clock, shelf)
    with store.read() as tx:
        job = registry.job(tx, "a")
    assert job
    assert (job.enabled, job.spec.cron) == (False, "5 * * * *")


def test_a_sync_that_another_machine_overtook_begins_again_and_never_activates_the_older_revision(
    store: Store, clock: ManualClock, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.add(job_record("a"))
    sync(store, clock, shelf)
    older = shelf.add(job_record("a"), job_record("b"))
    load = shelf.load
    newer: list[str] = []

    def overtaken(sha: str) -> Loaded:
        if not newer:
            newer.append(shelf.add(job_record("a"), job_record("c")))
            assert sync(store, clock, shelf).sha == newer[0]
        return load(sha)

    monkeypatch.setattr(shelf, "load", overtaken)
    assert shelf.fetch(None) == older
    report = sync(store, clock, shelf)
    assert (report.success, report.sha, jobs_of(store)) == (True, newer[0], ["a", "c"])


def test_rollback_activates_an_earlier_revision_and_pins_it_until_someone_syncs(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    first = shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    second = shelf.add(job_record("a", "5 * * * *"))
    sync_now(store, clock, shelf)
    report = rollback(store, clock, shelf, first)
    assert (report.success, report.sha, report.jobs_rescheduled) == (True, first, ("a",))
    assert sync_now(store, clock, shelf, follow_pin=True).sha == first
    with store.read() as tx:
        assert bundle.state(tx).pinned_ref == first
    assert sync_now(store, clock, shelf).sha == second
    with store.read() as tx:
        assert bundle.state(tx).pinned_ref is None


@pytest.mark.parametrize("sha", ["f" * 40, "0", "", "000000"])
def test_rollback_to_what_was_never_active_is_refused(
    store: Store, clock: ManualClock, shelf: Shelf, sha: str
) -> None:
    shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    with pytest.raises(UnknownRevisionError):
        rollback(store, clock, shelf, sha)


def test_without_a_bundle_a_sync_says_what_to_set(store: Store, clock: ManualClock) -> None:
    report = sync(store, clock, None)
    assert not report.success
    assert "JOBS_GIT_REPO_URL" in report.message


def test_revisions_of_unfinished_runs_are_kept(store: Store, clock: ManualClock, shelf: Shelf) -> None:
    first = shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    Operations(store, clock).trigger("a")
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run
    for minute in range(9):
        shelf.add(job_record("a", f"{minute} * * * *"))
        clock.move(minutes=1)
        sync_now(store, clock, shelf)
    assert first in shelf.retired[-1]
    assert len(shelf.retired[-1]) == 6


def test_a_sync_without_a_ref_lets_an_earlier_pin_go_also_when_it_fails(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    first = shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    sync_now(store, clock, shelf, ref=first)
    bad = shelf.add()
    shelf.revisions[bad] = BundleError("manifest.py:1: SyntaxError")
    report = sync_now(store, clock, shelf)
    assert (report.success, report.sha) == (False, first)
    with store.read() as tx:
        assert bundle.state(tx).pinned_ref is None


def test_a_rename_accounts_under_the_old_id_and_goes_on_under_the_new_schedule(
    store: Store, clock: ManualClock, shelf: Shelf
) -> None:
    shelf.add(job_record("old", "* * * * *", catchup="all"), job_record("x", HOURLY))
    sync_now(store, clock, shelf)
    tick(store, clock)
    clock.move(seconds=140)
    shelf.add(job_record("new", "30 * * * *", renamed_from="old"), job_record("x", HOURLY))
    sync_now(store, clock, shelf)
    with store.read() as tx:
        assert history.runs(tx, job_id="old") == []
        ahead = [
            run.fire_at for run in history.runs(tx, job_id="new") if run.fire_at and run.fire_at > clock.now()
        ]
        assert ahead == []
        job = registry.job(tx, "new")
    assert job
    assert (job.spec.id, job.spec.cron) == ("new", "30 * * * *")
    tick(store, clock)
    with store.read() as tx:
        assert audit(tx, now=clock.now()).holes == ()


def test_a_fault_of_another_kind_is_counted_anew(store: Store, clock: ManualClock, shelf: Shelf) -> None:
    shelf.add(job_record("a", HOURLY))
    sync_now(store, clock, shelf)
    shelf.revisions["f" * 40] = BundleError("manifest.py:1: SyntaxError")
    seen = []
    for unreachable in (False, False, True, True, False):
        clock.move(minutes=5)
        shelf.away = unreachable
        sync_now(store, clock, shelf)
        with store.read() as tx:
            state = bundle.state(tx)
        assert state.failing_since
        minutes = (clock.now() - state.failing_since).total_seconds() / 60
        seen.append((state.fault, state.fault_count, state.consecutive_failures, minutes))
    assert seen == [
        ("load", 1, 1, 0),
        ("load", 2, 2, 5),
        ("fetch", 1, 3, 0),
        ("fetch", 2, 4, 5),
        ("load", 1, 5, 0),
    ]
