"""/plan and /simulate: what a revision would change, and how the jobs would run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from . import parameters
from .routing import current_request, get, post

if TYPE_CHECKING:
    from .bodies import PlanBody

blueprint = Blueprint(__name__)

MOST_WORKERS = 10_000
FROM = parameters.instant("from", "The first instant; now without it.")
TO = parameters.instant("to", "The instant before which it ends; 24 hours later without it.")
WORKERS = parameters.whole(
    "workers",
    "How many runs may run at once; as many as now without it.",
    low=1,
    high=MOST_WORKERS,
    default=0,
)
PESSIMISTIC = parameters.flag("pessimistic", "Take the 95th percentile of durations instead of the median.")
REF = parameters.text("ref", "The jobs of this branch, tag or commit instead of those in force.")


@post(blueprint, "/plan", body="PlanBody", returns="Plan", refuses=(409, 503))
def plan(body: PlanBody) -> dict[str, Any]:
    """Compare a branch, tag or commit with what is in force, over so many days. Nothing is activated.

    Without `ref` it is the newest revision of the followed branch. A name that is not there is a 422.
    """
    return current_request().sauron.questions.plan(body.ref, days=body.days)


@get(
    blueprint,
    "/simulate",
    query=(FROM, TO, WORKERS, PESSIMISTIC, REF),
    returns="Simulation",
    refuses=(409, 422, 503),
)
def simulate() -> dict[str, Any]:
    """Simulate the jobs in force, or with `ref` those of a revision; by default over the next 24 hours."""
    current = current_request()
    query = current.query
    return current.sauron.questions.simulate(
        start=FROM.of(query),
        end=TO.of(query),
        workers=WORKERS.of(query) or None,
        pessimistic=PESSIMISTIC.of(query),
        ref=REF.of(query),
    )
