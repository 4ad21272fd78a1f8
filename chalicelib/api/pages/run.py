"""One run: how far it is, its attempts, its log, what it was given and what it returned."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing
from chalicelib.api import parameters
from chalicelib.api.routing import current_request, get
from chalicelib.api.runs import POSITION, log_response
from chalicelib.model.jobs import JobSpec
from chalicelib.model.pools import Waiting
from chalicelib.model.runs import GOOD, UNFINISHED, Attempt, Origin, Run, RunState
from chalicelib.store import bundle, history, past_runs, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import pools
from chalicelib.terminal.screen import as_shown
from chalicelib.text import about, taken

from . import log_view, run_usage
from .frame import SAID, page

blueprint = Blueprint(__name__)

WANTED = parameters.text("q", "Mark the lines of the log that hold this text.", maxLength=200)
AFTER = parameters.whole("after", "Show the log from the line after this one.", low=0, high=2**31, default=-1)
ATTEMPTS = 20  # shown, the newest
LOOKED_AT = 10  # runs before one in progress, for a result
SAID_BY_ERROR = {"ExitCode", "timeout", "crashed"}  # types of errors that say what the error says
FOLDED = 400  # characters of a value that are shown unfolded
MOST = 6000  # characters of a value
ROOM = 1.1  # the full bar, of the usual duration, where no limit is known


@dataclass(frozen=True, slots=True)
class Meter:
    """How far a run is by time, in thousandths of the bar, whose end is the limit of an attempt."""

    done: int
    usual_at: int | None
    took: float
    usual: float | None
    limit: float | None
    slow: bool
    left: str


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value as text; a long one is folded, and one that is too long for a page is cut."""

    text: str
    folded: bool
    cut: bool


@get(blueprint, "/ui/runs/{run_id}", query=(*SAID, WANTED, AFTER))
def run(run_id: str) -> Response:
    """Show one run. `q` marks lines of its log, `after` is the number before the first line shown."""
    current = current_request()
    sauron = current.sauron
    now = sauron.clock.now()
    wanted, after = WANTED.of(current.query), AFTER.of(current.query)
    with sauron.store.read() as tx:
        found = history.find(tx, run_id)
        attempts = history.attempts_of(tx, found.id)
        log = log_view.view(tx, found, after=None if after < 0 else after, wanted=wanted)
        usual = past_runs.usual_seconds(tx, found.job_id)
        spec = _spec(tx, found)
        revision = (
            bundle.known_revisions(tx, {found.revision}).get(found.revision) if found.revision else None
        )
        red = failing(tx)
        before = _before(tx, found) if found.state in UNFINISHED else None
        full = pools.waiting(tx, {found.pool}) if found.pool and found.state is RunState.QUEUED else {}
    limit = spec.timeout if spec else None
    return page(
        "run.html",
        here="runs",
        failing=red,
        run=found,
        word=_word(found),
        asked_for=_asked_for(found),
        said_by_error=SAID_BY_ERROR,
        unfinished=found.state in UNFINISHED,
        usual=usual,
        meter=_meter(attempts, usual, limit, now) if found.state is RunState.RUNNING else None,
        next_step=_next_step(found, limit, now, full.get(found.pool or "")),
        attempts=attempts[-ATTEMPTS:],
        used=run_usage.used(attempts, spec.memory_mb if spec else None, now),
        attempts_made=len(attempts),
        log=log,
        wanted=wanted,
        after=after,
        params=None if not found.params else {name: _value(one) for name, one in found.params.items()},
        result=None if found.result is None else _value(found.result),
        before=(before, _value(before.result)) if before else None,
        revision=revision,
        instant=found.fire_at or found.created_at,
    )


@get(blueprint, "/ui/runs/{run_id}/log", query=(POSITION,))
def log(run_id: str) -> Response:
    """Return a log as people see it to a browser; a long one ends with the address of the rest."""
    current = current_request()
    response = log_response(run_id, after=POSITION.of(current.query))
    response.body = as_shown(response.body)
    if "X-More" in response.headers:
        rest = f"{current.mount}/ui/runs/{run_id}/log?after={response.headers['X-Next-After']}"
        response.body += f"\n[... continued at {rest} ...]\n"
    return response


def _before(tx: Tx, run: Run) -> Run | None:
    """Return the job's newest good run that returned something; None if it is too long ago."""
    newest = history.executed(tx, run.job_id, limit=LOOKED_AT)
    return next((one for one in newest if one.state in GOOD and one.result is not None), None)


def _spec(tx: Tx, run: Run) -> JobSpec | None:
    """Return the definition that the run's revision has or, before that is bound, that its job has."""
    if run.revision and (spec := bundle.spec(tx, run.revision, run.job_id)):
        return spec
    job = registry.job(tx, run.job_id)
    return job.spec if job else None


def _meter(attempts: list[Attempt], usual: float | None, limit: timedelta | None, now: datetime) -> Meter:
    took = (now - attempts[-1].started_at).total_seconds() if attempts else 0.0
    most = limit.total_seconds() if limit else None
    left = f"About {about(usual - took)} left." if usual is not None and took < usual else ""
    if not left and most is not None:
        left = f"Stopped in {about(max(0.0, most - took))}."
    full = max(most or (usual or 0) * ROOM, took, 1.0)
    return Meter(
        done=round(took / full * 1000),
        usual_at=None if usual is None or usual > full else round(usual / full * 1000),
        took=took,
        usual=usual,
        limit=most,
        slow=usual is not None and took > usual,
        left=left,
    )


def _asked_for(run: Run) -> str:
    """Say who wanted the run, or what brought it."""
    by_hand = run.origin in {Origin.TRIGGER, Origin.RETRY}
    return run.requested_by or ("somebody" if by_hand else run.origin)


def _word(run: Run) -> str:
    if run.state is RunState.QUEUED and run.attempt:
        return "Waiting to try again"
    return run.state.replace("_", " ").capitalize()


def _next_step(run: Run, limit: timedelta | None, now: datetime, full: Waiting | None) -> str | None:
    """Say what comes next, or what a person can do."""
    if run.state is RunState.QUEUED:
        waits = (run.due_at - now).total_seconds()
        nth = f"Attempt {run.attempt + 1} of {run.max_attempts}"
        if waits > 0:
            return f"{nth} begins in {about(waits)}."
        if full is not None:
            return (
                f"{nth} is due and waits for the pool {full.pool}: {full.running} of its {full.size} places "
                "are taken. It begins when a run of the pool is over."
            )
        return f"{nth} is due. It begins when a worker is free and no other run of the job is in its way."
    missed = f"These are {run.gap_count} occurrences of one gap. " if run.gap_count > 1 else ""
    steps: dict[RunState, str | None] = {
        RunState.FAILED: "No attempt is left. Mend what the error says, then run it again.",
        RunState.TIMED_OUT: f"One attempt may take {taken(limit.total_seconds()) if limit else 'so long'}. "
        "See where the log stops; a job that needs longer gets a larger timeout_seconds.",
        RunState.DEGRADED: "It finished and says itself that not all is well; its result says what.",
        RunState.CANCELLED: "It was stopped, and is not tried again. Run it again when it may go on.",
        RunState.SKIPPED: "It was not run, and is not made up for. Run it again if it is needed.",
        RunState.MISSED: f"{missed}The time passed while nothing could run. Run it again if it is needed.",
    }
    return steps.get(run.state)


def _value(value: Any) -> Value:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return Value(text[:MOST], folded=len(text) > FOLDED, cut=len(text) > MOST)
