"""A store in which everything that anybody but Sauron wrote is hostile, as a scene for `still`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from chalicelib.model.acts import Door, Outcome
from chalicelib.model.jobs import Override
from chalicelib.model.runs import RunState
from chalicelib.store import Store, audit_log, bundle, duties, incidents, registry
from chalicelib.store.database import Tx
from chalicelib.store.schema import attempts, job_queue, jobs, log_chunks
from tests.browser.payloads import GROUPS
from tests.conftest import ManualClock, define
from tests.recorded_runs import record

NOW = datetime(2026, 3, 7, 2, 47, 12, tzinfo=UTC)
SHA = "badc0de" + "0" * 33
# How the last run of a job ended, and how the job stands, in turn: each shows its texts in another place.
STATES = (RunState.FAILED, RunState.DEGRADED, RunState.SUCCEEDED, RunState.RUNNING, RunState.SKIPPED)


def job_id(number: int) -> str:
    """Return the id of the job that has a group of payloads in all its fields."""
    return f"hostile-{number:02}"


def fill(store: Store) -> None:
    """Put a job and its runs for each group of payloads into an empty store."""
    clock = ManualClock(NOW - timedelta(days=2))
    for number, text in enumerate(GROUPS):
        define(store, clock, job_id(number), "0 3 * * *", **_definition(text))
    with store.write() as tx:
        tx.execute(job_queue.delete())  # what defining them queued
        tx.execute(update(jobs).values(revision=SHA, cursor=NOW, next_fire_at=NOW + timedelta(hours=1)))
        for number, text in enumerate(GROUPS):
            _bundle(tx, number, text)
            _people(tx, number, text)
        duties.duty_done(tx, duties.TICK, at=NOW - timedelta(seconds=3))
    for number, text in enumerate(GROUPS):
        _runs(store, number, text)


def _definition(text: str) -> dict[str, object]:
    words = {"title": text, "description": text, "default": text}
    fields = {text: words | {"type": "string"}, "one": words | {"enum": [text]}}
    return {
        "description": text,
        "tags": [text, f"{text} again"],
        "project": text,
        "entrypoint": text,
        "place": text,
        "params": {"schema": {"type": "object", "properties": fields}},
        "secrets": [{"key": text, "label": text, "description": text, "required": False}],
    }


def _bundle(tx: Tx, number: int, text: str) -> None:
    sha, at = (f"{number:040x}" if number else SHA), NOW - timedelta(hours=number + 1)
    rejected = [{"job_id": one, "place": one, "reason": one} for one in (text, *GROUPS)]
    remarks = [{"file": one, "line": 3, "text": one, "cure": one} for one in (text, *GROUPS[:3])]
    bundle.add_revision(tx, sha, [], rejected, remarks=remarks, subject=text, author=text, now=at)
    bundle.mark_activated(tx, sha, now=at)
    if sha == SHA:
        failed = {"last_error": text, "consecutive_failures": 2, "fault": "load"}
        bundle.change(tx, active_sha=sha, branch=text, pinned_ref=text, **failed)


def _people(tx: Tx, number: int, text: str) -> None:
    name, at = job_id(number), NOW - timedelta(minutes=number)
    for outcome in Outcome:
        audit_log.add(
            tx,
            at=at,
            who=text,
            door=Door.HTTP,
            act="trigger",
            subject=text,
            reason=text,
            outcome=outcome,
            detail=text,
        )
    incidents.begin(tx, name, "failing", reason=text, since=at, told_at=at, job_id=name, run_id=None)
    if number % 3 == 1:
        registry.set_override(tx, name, Override(enabled=False, reason=text, by=text, at=at, until=None))
    if number % 3 == 2:
        tx.execute(update(jobs).where(jobs.c.job_id == name).values(rejected=text))


def _runs(store: Store, number: int, text: str) -> None:
    name = job_id(number)
    said: dict[str, Any] = {
        "error": text,
        "error_type": text,
        "reason": text,
        "requested_by": text,
        "progress_note": text,
        "cancel_reason": text,
        "origin": "trigger",
        "params": {text: [text, {text: text}]},
        "result": {text: [text, {text: text}]},
        "revision": SHA,
    }
    for hours, state in enumerate(RunState, start=1):
        record(store, name, state, NOW - timedelta(hours=hours), **said)
    at = NOW - timedelta(minutes=number + 1)
    run = record(store, name, STATES[number % len(STATES)], at, **said)
    attempt = {"number": 1, "started_at": NOW, "runner": text, "outcome": "failed"}
    chunk = {"attempt": 1, "written_at": NOW, "text": f"{text}\n" * 3}
    with store.write() as tx:
        tx.execute(insert(attempts), [attempt | {"run_id": run, "error": text, "error_type": text}])
        tx.execute(insert(log_chunks), [chunk | {"run_id": run}])
        audit_log.add(
            tx,
            at=at,
            who=text,
            door=Door.PAGE,
            act="retry",
            subject=run,
            reason=text,
            outcome=Outcome.DONE,
            address=text[:64],
            result={"run": run},
        )
