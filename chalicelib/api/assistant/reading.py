"""The tools that read: what is wrong, which jobs and runs there are, what a run wrote."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from chalicelib.api import run_log, serializers, status_report, vital_signs
from chalicelib.api.bodies import Body, Instant
from chalicelib.api.problems import ProblemError
from chalicelib.api.query import RUN_ID
from chalicelib.model.jobs import Job
from chalicelib.model.runs import GOOD, UNFINISHED, RunState
from chalicelib.operations.requests import find_job
from chalicelib.store import history, registry
from chalicelib.text import counted

from .tool import ITEMS, Asked, JobId, Nothing, Result, RunId, Tool

LOG_CHARACTERS = 6000
SHOWN_NEXT = 5


class _Find(Body):
    text: Annotated[str, Field(description="A part of the id, description or tags.")] | None = None
    project: Annotated[str, Field(description="Only jobs of this project.")] | None = None
    enabled: Annotated[bool, Field(description="Only jobs that are on, or off.")] | None = None
    failing: Annotated[bool, Field(description="Only jobs whose last run did not end well.")] = False
    after: (
        Annotated[str, Field(description="Go on after this id: the next_after of the page before.")] | None
    ) = None


class _Job(Body):
    job_id: JobId


class _Runs(Body):
    job_id: JobId | None = None
    state: Annotated[list[str] | str, Field(description=f"One or some of {', '.join(RunState)}.")] | None = (
        None
    )
    since: Annotated[Instant, Field(description="Only runs due since then, ISO 8601.")] | None = None
    after: Annotated[RunId, Field(description="Go on after this run.")] | None = None


class _Run(Body):
    run_id: RunId


def _overview(asked: Asked) -> Result:
    sauron = asked.sauron
    with sauron.store.read() as tx:
        report = status_report.measure(sauron, tx)
        upcoming = status_report.next_runs(tx, now=report.now)[:SHOWN_NEXT]
        jobs = registry.all_jobs(tx)
    wrong = status_report.problems(report, sauron.settings, vital_signs.degraded(sauron.vitals))
    failing = sorted({one.job_id for one in report.incidents if one.job_id})
    enabled = sum(job.enabled for job in jobs)
    facts = {
        "well": not wrong,
        "problems": wrong,
        "jobs_with_problems": failing,
        "jobs": {"total": len(jobs), "enabled": enabled},
        "runs": {state: count for state, count in report.counts.items() if state in UNFINISHED},
        "bundle": status_report.git_sync(sauron.settings, report.state, report.revision),
        "next_runs": upcoming,
    }
    if not wrong:
        return Result(
            f"All is well: {enabled} of {len(jobs)} jobs are enabled. Next: find_jobs, or runs.", facts
        )
    step = f"why with job_id={failing[0]}" if failing else "runs, or the problems below"
    return Result(f"{counted(len(wrong), 'problem')}, listed here. Next: {step}.", facts, untrusted=True)


def _find_jobs(asked: Asked) -> Result:
    given: _Find = asked.given
    with asked.sauron.store.read() as tx:
        jobs = [job for job in registry.all_jobs(tx, after=given.after) if _fits(job, given)]
        last = history.last_runs(tx, [job.id for job in jobs])
    if given.failing:
        done = {job_id for job_id, run in last.items() if run.state not in {*GOOD, *UNFINISHED}}
        jobs = [job for job in jobs if job.id in done]
    now = asked.sauron.clock.now()
    items = [serializers.job(job, last.get(job.id), now=now) for job in jobs[:ITEMS]]
    names = ("id", "enabled", "schedule_text", "next_run_at", "description", "tags", "last_run")
    shown = [{name: item[name] for name in names} for item in items]
    after = jobs[ITEMS - 1].id if len(jobs) > ITEMS else None
    facts = serializers.page_of("jobs", shown, next_after=after) | {"found": len(jobs)}
    step = f"find_jobs with after={after}, or job" if after else "job with one of these ids"
    return Result(f"{counted(len(jobs), 'job')} found. Next: {step}.", facts, untrusted=True)


def _fits(job: Job, given: _Find) -> bool:
    words = " ".join([job.id, job.spec.description, *job.spec.tags]).lower()
    return (
        (given.text is None or given.text.lower() in words)
        and given.project in {None, job.spec.project}
        and given.enabled in {None, job.enabled}
    )


def _job(asked: Asked) -> Result:
    with asked.sauron.store.read() as tx:
        found = find_job(tx, asked.given.job_id)
        last = history.last_runs(tx, [found.id]).get(found.id)
        executed = history.executed(tx, found.id)
    facts = serializers.job_in_full(found, last, executed, now=asked.sauron.clock.now())
    state = "enabled" if found.enabled else "disabled"
    ended = f"its last run {last.id} is {last.state}" if last else "it has no run yet"
    step = f"run_log with run_id={last.id}" if last and last.attempt else f"why with job_id={found.id}"
    text = f"{found.id} is {state}, {facts['schedule_text']}; {ended}. Next: {step}."
    return Result(text, facts, untrusted=True)


def _runs(asked: Asked) -> Result:
    given: _Runs = asked.given
    named = [given.state] if isinstance(given.state, str) else given.state or []
    names = [name.strip() for text in named for name in text.split(",")]
    if wrong := set(names) - set(RunState):
        raise ProblemError(422, f"state: {min(wrong)[:40]!r} is not one of {', '.join(RunState)}.")
    if given.after is not None and not RUN_ID.fullmatch(given.after):
        raise ProblemError(
            422, f"after: {given.after[:40]!r} is not the id of a run: send next_after of the page before."
        )
    states = [RunState(name) for name in names]
    with asked.sauron.store.read() as tx:
        found = history.runs(
            tx,
            job_id=given.job_id,
            states=states,
            since=given.since,
            limit=ITEMS + 1,
            after=given.after,
        )
    shown = ("id", "job_id", "state", "scheduled_for", "started_at", "finished_at", "attempt", "error")
    items = [serializers.run(run, []) for run in found[:ITEMS]]
    after = items[-1]["id"] if len(found) > ITEMS else None
    facts = serializers.page_of("runs", [{n: item[n] for n in shown} for item in items], next_after=after)
    step = f"run_log with run_id={items[0]['id']}" if items else "runs without state or since"
    return Result(f"{counted(len(items), 'run')}, newest first. Next: {step}.", facts, untrusted=True)


def _run_log(asked: Asked) -> Result:
    with asked.sauron.store.read() as tx:
        run = history.find(tx, asked.given.run_id)
        text, cut = run_log.tail(tx, run, characters=LOG_CHARACTERS)
    facts: dict[str, Any] = {
        "run_id": run.id,
        "job_id": run.job_id,
        "state": run.state,
        "error": run.error,
        "log": text,
        "beginning_left_out": cut,
    }
    step = {
        RunState.RUNNING: "run_log again for more, or cancel",
        RunState.QUEUED: f"why with job_id={run.job_id}",
        RunState.SUCCEEDED: "overview",
    }.get(run.state, f"retry with run_id={run.id}, or job with job_id={run.job_id}")
    return Result(f"Run {run.id} of {run.job_id} is {run.state}. Next: {step}.", facts, untrusted=True)


TOOLS = (
    Tool(
        "overview",
        "read",
        "Whether all is well: problems, jobs, the bundle, what runs next.",
        Nothing,
        _overview,
    ),
    Tool("find_jobs", "read", "Find jobs by words, project, on or off, failing.", _Find, _find_jobs),
    Tool("job", "read", "One job in full: schedule, policies, params, last and next runs.", _Job, _job),
    Tool("runs", "read", "Runs, newest first, of one job or all, by state and time.", _Runs, _runs),
    Tool("run_log", "read", "The end of what a run wrote, and its error.", _Run, _run_log),
)
