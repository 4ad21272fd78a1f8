"""The runs from the newest to the oldest, and one run: its attempts, its error, the end of its log."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing
from chalicelib.api import parameters, run_log
from chalicelib.api.routing import current_request, get
from chalicelib.api.runs import AFTER, JOB_ID, POSITION, SINCE, STATE, log_response
from chalicelib.model.runs import UNFINISHED, RunState
from chalicelib.store import history, past_runs
from chalicelib.terminal.screen import as_shown

from .frame import SAID, page

blueprint = Blueprint(__name__)

SHOWN = 50
LIMIT = parameters.whole("limit", "At most so many runs.", low=1, high=SHOWN, default=SHOWN)
LOG_TAIL = 64 * 1024


@get(blueprint, "/ui/runs", query=(*SAID, JOB_ID, STATE, SINCE, AFTER, LIMIT))
def runs() -> Response:
    """List runs, the newest first: all, of one job, or in one state."""
    current = current_request()
    asked, sauron = current.query, current.sauron
    job_id, states, limit = JOB_ID.of(asked), STATE.of(asked), LIMIT.of(asked)
    with sauron.store.read() as tx:
        found = history.runs(
            tx,
            job_id=job_id,
            states=states,
            since=SINCE.of(asked),
            limit=limit + 1,
            after=AFTER.of(asked),
        )
        red = failing(tx)
    shown = found[:limit]
    kept = {
        name: text for name in ("job_id", "state", "since", "limit") if (text := ",".join(asked.texts(name)))
    }
    return page(
        "runs.html",
        here="runs",
        failing=red,
        job_id=job_id,
        chosen=states[0] if len(states) == 1 else None,
        states=list(RunState),
        runs=shown,
        following=urlencode(kept | {"after": shown[-1].id}) if len(found) > limit else None,
    )


@get(blueprint, "/ui/runs/{run_id}", query=SAID)
def run(run_id: str) -> Response:
    """Show one run: its attempts, its error, the end of its log."""
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = history.find(tx, run_id)
        attempts = history.attempts_of(tx, found.id)
        log, cut = run_log.tail(tx, found, characters=LOG_TAIL)
        usual = past_runs.usual_seconds(tx, found.job_id)
        red = failing(tx)
    return page(
        "run.html",
        here="runs",
        failing=red,
        run=found,
        unfinished=found.state in UNFINISHED,
        usual=usual,
        attempts=attempts,
        log=log,
        log_cut=cut,
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
