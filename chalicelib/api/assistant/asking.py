"""The tools that ask Sauron's questions: why a job ran or not, what a revision changes, what is to come."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from chalicelib.api.bodies import Body, Instant, Ref
from chalicelib.api.problems import ProblemError
from chalicelib.model.instants import InstantError

from .tool import Asked, JobId, Result, Tool


class _Why(Body):
    job_id: JobId
    at: (
        Annotated[str, Field(description="An instant, ISO 8601; without offset in the job's zone.")] | None
    ) = None


class _Plan(Body):
    ref: Annotated[Ref, Field(description="A branch, tag or commit; else what is followed.")] | None = None
    days: Annotated[int, Field(ge=1, le=366, description="How many days from now.")] = 14


class _Simulate(Body):
    model_config = ConfigDict(extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    start: Annotated[Instant | None, Field(alias="from", description="From when, ISO 8601; now.")] = None
    end: Annotated[Instant | None, Field(alias="to", description="Until when; 24 hours later.")] = None
    workers: Annotated[int, Field(ge=1, le=256, description="How many runs at once.")] | None = None


def _why(asked: Asked) -> Result:
    given: _Why = asked.given
    try:
        facts = asked.sauron.questions.why(given.job_id, given.at)
    except InstantError as error:
        raise ProblemError(422, f"at: {error}.") from None
    step = f"run_log with run_id={facts['run']}" if facts.get("run") else f"job with job_id={given.job_id}"
    return Result(f"Answer: {facts['answer']}; `sentence` says why. Next: {step}.", facts, untrusted=True)


def _plan(asked: Asked) -> Result:
    facts = asked.sauron.questions.plan(asked.given.ref, days=asked.given.days)
    changed, wrong = len(facts["jobs"]), len(facts["problems"]) + len(facts["missing_secrets"])
    step = "mend what is in `problems` and `missing_secrets`" if wrong else "sync, if this is what you want"
    text = f"Jobs that change: {changed}; problems: {wrong}. Nothing is activated. Next: {step}."
    return Result(text, facts, untrusted=True)


def _simulate(asked: Asked) -> Result:
    given: _Simulate = asked.given
    facts = asked.sauron.questions.simulate(start=given.start, end=given.end, workers=given.workers)
    summary = facts["summary"]
    text = f"Runs: {summary['runs']}; longest wait: {summary['longest_wait_seconds']} s. Next: job."
    return Result(text, {"summary": summary, "runs": facts["runs"]})


TOOLS = (
    Tool("why", "read", "Why a job ran, did not run or will run, at a time or lately.", _Why, _why),
    Tool("plan", "read", "What a revision would change, activating nothing.", _Plan, _plan),
    Tool("simulate", "read", "How the jobs would run over a time to come.", _Simulate, _simulate),
)
