from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import JobSpecError, StoreError
from chalicelib.maintenance import builtin_jobs
from chalicelib.model.jobs import JobSpec
from chalicelib.model.runs import Outcome, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest, TriggerRequest
from chalicelib.scheduling.tick import tick
from chalicelib.settings import Settings
from chalicelib.store import Store, duties, incidents, registry
from chalicelib.store.queue import claims, finish
from sauron_jobs_loader.builtin import digest
from sauron_jobs_loader.builtin.definitions import JOBS
from tests.conftest import ManualClock, define, job_record

MAIL = {"FROM_EMAIL": "sauron@example.test", "DIGEST_EMAIL": "team@example.test"}


def in_registry(
    store: Store, clock: ManualClock, environ: dict[str, str], leave_out: str = ""
) -> dict[str, bool]:
    records = [job.record() for job in JOBS if job.id != leave_out]
    builtin_jobs.define(store, clock, Settings.read(environ), records)
    with store.read() as tx:
        return {job.id: job.enabled for job in registry.all_jobs(tx)}


def test_every_builtin_job_is_a_good_definition() -> None:
    for job in JOBS:
        assert job.faults() == []
        spec = JobSpec.from_record(job.record())
        assert spec.schedule.after(ManualClock().now())
        assert (spec.builtin, "builtin" in spec.tags) == (True, True)


def test_a_bundle_may_not_take_an_id_of_sauron() -> None:
    with pytest.raises(JobSpecError, match=r"Choose another id"):
        JobSpec.from_record(job_record("sauron.health")).check()


def test_a_job_that_could_not_do_its_work_is_off(store: Store, clock: ManualClock) -> None:
    assert in_registry(store, clock, {}) == {
        "sauron.backup": True,
        "sauron.digest": False,
        "sauron.health": True,
        "sauron.retention": True,
    }
    assert in_registry(store, clock, MAIL)["sauron.digest"] is True


def test_an_operators_switch_outlives_restarts_and_versions(store: Store, clock: ManualClock) -> None:
    in_registry(store, clock, MAIL)
    Operations(store, clock).disable("sauron.backup", SwitchRequest(reason=None, until=None, by="me"))
    assert in_registry(store, clock, {})["sauron.backup"] is False
    assert "sauron.health" not in in_registry(store, clock, MAIL, leave_out="sauron.health")
    assert in_registry(store, clock, MAIL)["sauron.backup"] is False


def test_definitions_that_are_there_already_are_not_written_again(store: Store, clock: ManualClock) -> None:
    in_registry(store, clock, MAIL)
    with store.read() as tx:
        before = registry.job(tx, "sauron.health")
    clock.move(hours=1)
    in_registry(store, clock, MAIL)
    with store.read() as tx:
        assert registry.job(tx, "sauron.health") == before


def test_a_builtin_run_binds_no_revision_of_the_bundle(store: Store, clock: ManualClock) -> None:
    in_registry(store, clock, MAIL)
    Operations(store, clock).trigger("sauron.health")
    with store.write() as tx:
        tx.exec_driver_sql("INSERT INTO bundle_state (id, active_sha) VALUES (1, 'a')")
        claimed = claims.claim(tx, owner="me", now=clock.now()).run
    assert claimed is not None
    assert claimed.revision is None


@pytest.mark.parametrize("what", ["health", "prune", "backup", "digest"])
def test_no_other_job_may_ask(store: Store, clock: ManualClock, what: str) -> None:
    with pytest.raises(PermissionError):
        builtin_jobs.Answers(store, clock, Settings.read({}))("report", what, None)


def test_a_question_nobody_knows_is_refused(store: Store, clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="'secrets'"):
        builtin_jobs.Answers(store, clock, Settings.read({}))("sauron.health", "secrets", None)


def ended(store: Store, clock: ManualClock, job_id: str, verdict: Verdict) -> None:
    Operations(store, clock).trigger(job_id, TriggerRequest(force=True))
    with store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
        assert run is not None
        finish.finish(tx, run, verdict, owner="me", now=clock.now(), retry_at=None)


def test_the_health_monitor_hears_what_is_wrong_with_sauron_and_not_with_jobs(
    store: Store, clock: ManualClock
) -> None:
    ask = builtin_jobs.Answers(store, clock, Settings.read({}))
    with store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now())
    assert ask("sauron.health", "health", None)["faults"] == []
    with store.write() as tx:
        told: dict[str, Any] = {"since": clock.now(), "told_at": clock.now(), "run_id": None}
        incidents.begin(tx, "disk", "disk", reason="12 MB are free", job_id=None, **told)
        incidents.begin(tx, "report", "failing", reason="it broke", job_id="report", **told)
    found = ask("sauron.health", "health", None)
    assert found["faults"] == ["12 MB are free"]
    assert found["facts"].keys() >= {
        "queued",
        "running",
        "store_mb",
        "disk_free_mb",
        "outbox_waiting",
        "alerts_waiting",
    }


def test_the_digest_says_what_ran_failed_was_late_or_missed_and_what_is_due(
    store: Store, clock: ManualClock
) -> None:
    ask = builtin_jobs.Answers(store, clock, Settings.read({"SAURON_PUBLIC_URL": "https://sauron.test"}))
    define(store, clock, "report", "0 8 * * *")
    define(store, clock, "sync", "*/30 * * * *", catchup="none")
    ended(store, clock, "report", Verdict(Outcome.SUCCEEDED))
    ended(store, clock, "report", Verdict(Outcome.FAILED, "no\nsuch host", "OSError"))
    tick(store, clock)
    clock.move(hours=3)
    tick(store, clock)  # six occurrences were missed
    for _ in range(34):
        clock.move(minutes=1)
        tick(store, clock)
    with store.write() as tx:
        late = claims.claim(tx, owner="me", now=clock.now()).run
        assert late is not None
        finish.finish(tx, late, Verdict(Outcome.SUCCEEDED), owner="me", now=clock.now(), retry_at=None)
    found = ask("sauron.digest", "digest", None)
    assert (found["totals"]["succeeded"], found["totals"]["failed"]) == (2, 1)
    assert found["totals"]["missed"] == 6
    assert found["failures"][0]["error"] == "no such host"
    assert found["failures"][0]["link"].startswith("https://sauron.test/ui/runs/")
    assert [(one["job_id"], one["late_seconds"]) for one in found["late"]] == [("sync", 270)]
    assert found["due"][0]["job_id"] == "sync"
    sections = digest.written(found)
    assert [title.split()[0] for title, _lines in sections] == ["Failed", "Late", "Ran", "Due"]
    text, page = digest.as_text("s", sections), digest.as_html("a<b", sections)
    assert "no such host" in text
    assert "<h1>a&lt;b</h1>" in page
    assert digest.headline(found) == "3 runs, 1 failed, 6 missed"
    assert ask("sauron.digest", "digest", found["until"])["totals"] == {}
