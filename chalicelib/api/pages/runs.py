"""The runs from the newest to the oldest, and one run: its attempts, its error, the end of its log."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.standings import failing
from chalicelib.api import run_log
from chalicelib.api.query import Query
from chalicelib.api.routing import current_request, get
from chalicelib.api.runs import log_response
from chalicelib.model.runs import UNFINISHED, RunState
from chalicelib.store import history, past_runs
from chalicelib.terminal.screen import as_shown

from .frame import page, query

blueprint = Blueprint(__name__)

SHOWN = 50
LOG_TAIL = 64 * 1024


@get(blueprint, "/ui/runs")
def runs() -> Response:
    """List runs, the newest first: all, of one job, or in one state."""
    asked = query("job_id", "state", "since", "after", "limit")
    job_id, states = asked.text("job_id"), asked.among("state", RunState)
    limit = asked.whole("limit", low=1, high=SHOWN, default=SHOWN)
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = history.runs(
            tx,
            job_id=job_id,
            states=states,
            since=asked.instant("since"),
            limit=limit + 1,
            after=asked.run_id("after"),
        )
        red = failing(tx)
    shown = found[:limit]
    kept = {name: text for name in ("job_id", "state", "since", "limit") if (text := asked.text(name))}
    return page(
        "runs.html",
        asked,
        here="runs",
        failing=red,
        job_id=job_id,
        chosen=states[0] if len(states) == 1 else None,
        states=list(RunState),
        runs=shown,
        following=urlencode(kept | {"after": shown[-1].id}) if len(found) > limit else None,
    )


@get(blueprint, "/ui/runs/{run_id}")
def run(run_id: str) -> Response:
    """Show one run: its attempts, its error, the end of its log."""
    asked = query()
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = history.find(tx, run_id)
        attempts = history.attempts_of(tx, found.id)
        log, cut = run_log.tail(tx, found, characters=LOG_TAIL)
        usual = past_runs.usual_seconds(tx, found.job_id)
        red = failing(tx)
    return page(
        "run.html",
        asked,
        here="runs",
        failing=red,
        run=found,
        unfinished=found.state in UNFINISHED,
        usual=usual,
        attempts=attempts,
        log=log,
        log_cut=cut,
    )


@get(blueprint, "/ui/runs/{run_id}/log")
def log(run_id: str) -> Response:
    """Return a log as people see it to a browser; a long one ends with the address of the rest."""
    current = current_request()
    response = log_response(
        run_id, after=Query(current.request, "after").whole("after", low=0, high=2**62, default=0)
    )
    response.body = as_shown(response.body)
    if "X-More" in response.headers:
        rest = f"{current.mount}/ui/runs/{run_id}/log?after={response.headers['X-Next-After']}"
        response.body += f"\n[... continued at {rest} ...]\n"
    return response
