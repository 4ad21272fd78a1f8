"""/plan and /simulate: what a revision would change, and how the jobs would run."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from .query import Query
from .routing import current_request, get, post

blueprint = Blueprint(__name__)

MOST_WORKERS = 10_000


@post(blueprint, "/plan")
def plan() -> dict[str, Any]:
    """Compare a branch, tag or commit with what is in force, over so many days. Nothing is activated.

    Without `ref` it is the newest revision of the followed branch. A name that is not there is a 422.
    """
    from .bodies import PlanBody, read

    current = current_request()
    body = read(PlanBody, current.request)
    return current.sauron.questions.plan(body.ref, days=body.days)


@get(blueprint, "/simulate")
def simulate() -> dict[str, Any]:
    """Simulate the jobs in force, or with `ref` those of a revision; by default over the next 24 hours."""
    current = current_request()
    query = Query(current.request, "from", "to", "workers", "pessimistic", "ref")
    return current.sauron.questions.simulate(
        start=query.instant("from"),
        end=query.instant("to"),
        workers=query.whole("workers", low=1, high=MOST_WORKERS, default=0) or None,
        pessimistic=query.flag("pessimistic"),
        ref=query.text("ref"),
    )
