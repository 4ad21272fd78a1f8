"""The tools that change something. Without `apply` they say what they would do, or why they would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from chalicelib.api import serializers, status_report
from chalicelib.api.bodies import Instant, Ref, Sha
from chalicelib.api.bundle import judged
from chalicelib.bundle.report import SyncReport
from chalicelib.clock import iso
from chalicelib.errors import RunStateError, UnknownRevisionError
from chalicelib.model.runs import FINAL, Run
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.operations.requests import check_until, find_job
from chalicelib.store import bundle, history
from chalicelib.store.queue import pauses

from .tool import Asked, Change, JobId, Result, RunId, Tool

APPLY = "Call it again with apply: true and a reason to do it."


class _Trigger(Change):
    job_id: JobId
    params: Annotated[dict[str, Any], Field(description="Checked against the job's own schema.")] | None = (
        None
    )


class _OfRun(Change):
    run_id: RunId


class _Switch(Change):
    job_id: JobId
    enabled: Annotated[bool, Field(description="true switches it on, false off.")]
    until: Annotated[Instant, Field(description="When the bundle decides again, ISO 8601.")] | None = None


class _Pause(Change):
    until: Annotated[Instant, Field(description="When it ends by itself, ISO 8601.")] | None = None
    enabled: Annotated[bool, Field(description="true pauses everything, false ends the pause.")] = True


class _Sync(Change):
    ref: (
        Annotated[Ref, Field(description="A branch, tag or commit to pin to. Without it: unpinned.")] | None
    ) = None


class _Rollback(Change):
    sha: Sha


def _trigger(asked: Asked) -> Result:
    given: _Trigger = asked.given
    operations = asked.sauron.operations
    request = TriggerRequest(params=given.params, reason=given.reason, by=asked.caller.name)
    if not given.apply:
        job = operations.check_trigger(given.job_id, request)
        facts = {"job_id": job.id, "params": given.params, "overlap": job.spec.overlap}
        return _preview(f"A run of {job.id} would be queued and started at once", facts)
    run = operations.trigger(given.job_id, request)
    return _done(f"Run {run.id} of {run.job_id} is queued. Next: run_log with run_id={run.id}.", _of(run))


def _cancel(asked: Asked) -> Result:
    given: _OfRun = asked.given
    if not given.apply:
        run = _run(asked, given.run_id)
        if run.state in FINAL:
            raise RunStateError(run.id, run.state, "cancelled")
        return _preview(f"Run {run.id} of {run.job_id}, which is {run.state}, would be ended", _of(run))
    run = asked.sauron.operations.cancel(given.run_id, by=asked.caller.name)
    return _done(f"Run {run.id} is {run.state} and ends now. Next: run_log with run_id={run.id}.", _of(run))


def _retry(asked: Asked) -> Result:
    given: _OfRun = asked.given
    operations = asked.sauron.operations
    if not given.apply:
        run = operations.check_retry(given.run_id)
        return _preview(f"A new run like {run.id} of {run.job_id} would be queued", _of(run))
    run = operations.retry(given.run_id, by=asked.caller.name)
    facts = _of(run) | {"retry_of": given.run_id}
    return _done(f"Run {run.id} of {run.job_id} is queued. Next: run_log with run_id={run.id}.", facts)


def _set_enabled(asked: Asked) -> Result:
    given: _Switch = asked.given
    sauron, word = asked.sauron, "enabled" if given.enabled else "disabled"
    until = f" until {iso(given.until)}" if given.until else ""
    if not given.apply:
        check_until(given.until, sauron.clock.now())
        with sauron.store.read() as tx:
            job = find_job(tx, given.job_id)
        facts = {"job_id": job.id, "enabled": job.enabled, "would_be_enabled": given.enabled}
        now = "enabled" if job.enabled else "disabled"
        return _preview(f"{job.id}, which is {now} now, would be {word}{until}", facts)
    act = sauron.operations.enable if given.enabled else sauron.operations.disable
    job = act(given.job_id, SwitchRequest(reason=given.reason, until=given.until, by=asked.caller.name))
    facts = {"job_id": job.id, "enabled": job.enabled}
    facts |= {"override": None if job.override is None else serializers.override(job.override)}
    return _done(f"{job.id} is {word}{until}. Next: job with job_id={job.id}.", facts)


def _pause(asked: Asked) -> Result:
    given: _Pause = asked.given
    sauron = asked.sauron
    until = f" until {iso(given.until)}" if given.until else ""
    if not given.apply:
        check_until(given.until, now := sauron.clock.now())
        with sauron.store.read() as tx:
            found = pauses.in_force(tx, now)
        facts = {"paused": found and serializers.pause(found)}
        would = f"Nothing would start{until}" if given.enabled else "Runs would start again"
        return _preview(would, facts)
    if not given.enabled:
        sauron.operations.unpause(by=asked.caller.name)
        return _done("Runs start again. Next: overview.", {"paused": None})
    made = sauron.operations.pause(SwitchRequest(given.reason, given.until, asked.caller.name))
    return _done(f"Nothing starts{until}. Next: overview.", {"paused": serializers.pause(made)})


def _sync(asked: Asked) -> Result:
    given: _Sync = asked.given
    if not given.apply:
        with asked.sauron.store.read() as tx:
            state = bundle.state(tx)
        branch = status_report.followed_branch(asked.sauron.settings, state)
        facts = {"active_sha": state.active_sha, "pinned_ref": state.pinned_ref, "branch": branch}
        what = f"pinned to {given.ref}" if given.ref else f"brought to the newest commit of {branch}"
        return _preview(f"The bundle would be {what}; plan says what that changes", facts)
    report = asked.sauron.sync_requests.sync(ref=given.ref, by=asked.caller.name)
    return _of_report(judged(report))


def _rollback(asked: Asked) -> Result:
    given: _Rollback = asked.given
    if not given.apply:
        with asked.sauron.store.read() as tx:
            found = bundle.find_revisions(tx, given.sha.lower())
            active = bundle.state(tx).active_sha
        if len(found) != 1:
            raise UnknownRevisionError(given.sha)
        facts = {"sha": found[0].sha, "subject": found[0].subject, "active_sha": active}
        return _preview(f"Revision {found[0].sha[:12]} would be activated and pinned", facts)
    report = asked.sauron.sync_requests.rollback(given.sha.lower(), by=asked.caller.name)
    return _of_report(judged(report))


def _of_report(report: SyncReport) -> Result:
    facts = {"applied": report.success, **serializers.sync(report)}
    if report.success:
        return Result("It is done; `message` says what changed. Next: overview.", facts, untrusted=True)
    text = "Nothing was activated; `message` says why. Next: mend the bundle in git, then sync again."
    return Result(text, facts, untrusted=True)


def _run(asked: Asked, run_id: str) -> Run:
    with asked.sauron.store.read() as tx:
        return history.find(tx, run_id)


def _of(run: Run) -> dict[str, Any]:
    return {"run_id": run.id, "job_id": run.job_id, "state": run.state}


def _preview(words: str, facts: dict[str, Any]) -> Result:
    return Result(f"{words}. Nothing is done yet. {APPLY}", {"applied": False, **facts})


def _done(words: str, facts: dict[str, Any]) -> Result:
    return Result(words, {"applied": True, **facts})


def _named(name: str) -> Any:
    return lambda _given: name


def _switch_name(given: Mapping[str, Any]) -> str:
    return "enable" if given.get("enabled") else "disable"


TOOLS = (
    Tool("trigger", "trigger", "Run a job now.", _Trigger, _trigger, _named("trigger")),
    Tool("cancel", "operate", "End a run: its whole process tree.", _OfRun, _cancel, _named("cancel")),
    Tool(
        "retry",
        "operate",
        "Run a finished run's job again, with its params.",
        _OfRun,
        _retry,
        _named("retry"),
    ),
    Tool(
        "set_enabled",
        "operate",
        "Switch a job on or off at once, over what git says, for good or until a time.",
        _Switch,
        _set_enabled,
        _switch_name,
    ),
    Tool(
        "pause",
        "operate",
        "Let nothing start, until a time or for good; `enabled: false` ends the pause.",
        _Pause,
        _pause,
        lambda given: "unpause" if given.get("enabled") is False else "pause",
        subject="everything",
    ),
    Tool(
        "sync",
        "operate",
        "Fetch the bundle and activate its newest revision, or `ref`.",
        _Sync,
        _sync,
        _named("sync"),
        lasts=True,
    ),
    Tool(
        "rollback",
        "operate",
        "Activate an earlier revision and pin it.",
        _Rollback,
        _rollback,
        _named("rollback"),
        lasts=True,
    ),
)
