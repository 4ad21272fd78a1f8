"""The runs from the newest to the oldest, chosen by job, states, time and text."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing
from chalicelib.api import parameters
from chalicelib.api.routing import current_request, get
from chalicelib.api.runs import AFTER, JOB_ID, SINCE, STATE
from chalicelib.model.runs import RunState
from chalicelib.store import history

from .frame import SAID, page

blueprint = Blueprint(__name__)

SHOWN = 50
LIMIT = parameters.whole("limit", "At most so many runs.", low=1, high=SHOWN, default=SHOWN)
UNTIL = parameters.instant("until", "Only runs that were due before this instant.")
WANTED = parameters.text("q", "Only runs whose job, error or reason hold this text.", maxLength=200)


@get(blueprint, "/ui/runs", query=(*SAID, JOB_ID, STATE, SINCE, UNTIL, WANTED, AFTER, LIMIT))
def runs() -> Response:
    """List runs, the newest first."""
    current = current_request()
    asked, sauron = current.query, current.sauron
    job_id, states, limit, wanted = JOB_ID.of(asked), STATE.of(asked), LIMIT.of(asked), WANTED.of(asked)
    chosen: dict[str, Any] = {"job_id": job_id, "states": states, "after": AFTER.of(asked)}
    chosen |= {"since": SINCE.of(asked), "until": UNTIL.of(asked)}
    with sauron.store.read() as tx:
        if wanted is None:
            found = history.Found(history.runs(tx, limit=limit + 1, **chosen), None)
        else:
            found = history.search(tx, wanted, limit=limit + 1, **chosen)
        red = failing(tx)
    shown = found.runs[:limit]
    last = shown[-1].id if len(found.runs) > limit else found.looked_until
    kept = asked.kept(("job_id", "state", "since", "until", "q", "limit"))
    return page(
        "runs.html",
        here="runs",
        failing=red,
        job_id=job_id,
        chosen=states,
        kept=kept,
        narrowed=bool(kept.keys() - {"limit"}),
        paged=AFTER.of(asked) is not None,
        states=list(RunState),
        runs=shown,
        following=urlencode(kept | {"after": last}) if last else None,
        looked_at=history.LOOKED_AT if found.looked_until and len(found.runs) <= limit else None,
    )
