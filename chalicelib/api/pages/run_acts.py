"""What a person does to a run on its page: cancel it, run it again."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.api.routing import current_request, get, post
from chalicelib.errors import RunStateError
from chalicelib.model.runs import UNFINISHED
from chalicelib.store import history, registry

from . import effects
from .act_page import Question, answer, show
from .form import Form
from .frame import back
from .job_acts import FILLED, filled, page_of

blueprint = Blueprint(__name__)


@get(blueprint, "/ui/runs/{run_id}/cancel", query=FILLED)
def ask_cancel(run_id: str) -> Response:
    """Ask about cancelling a run."""
    return show(_cancel_question(run_id), filled())


@post(blueprint, "/ui/runs/{run_id}/cancel")
def cancel(run_id: str) -> Response:
    """Cancel a run, once it is confirmed."""

    def do(form: Form) -> Response:
        current = current_request()
        run = current.sauron.operations.cancel(run_id, by=current.by)
        return back(f"/ui/runs/{run.id}", "cancelled", zone=form.zone())

    return answer(ask=lambda _: _cancel_question(run_id), do=do)


def _cancel_question(run_id: str) -> Question:
    current = current_request()
    with current.sauron.store.read() as tx:
        run = history.find(tx, run_id)
        job = registry.job(tx, run.job_id)
    if run.state not in UNFINISHED:
        raise RunStateError(run.id, run.state, "cancelled")
    return Question(
        here="runs",
        path=f"/ui/runs/{run.id}/cancel",
        title=f"Cancel this run of {run.job_id}?",
        button="Cancel the run",
        effects=effects.of_cancelling(run, job, now=current.sauron.clock.now()),
        back=f"/ui/runs/{run.id}",
        crumbs=[("/ui/jobs", "Jobs"), (page_of(run.job_id), run.job_id), (f"/ui/runs/{run.id}", "run")],
        danger=True,
    )


@post(blueprint, "/ui/runs/{run_id}/retry")
def retry(run_id: str) -> Response:
    """Queue a new run like a finished one. A form that is sent twice makes one run."""
    current = current_request()
    form = Form(current.request)
    run = current.sauron.operations.retry(run_id, by=current.by, idempotency_key=form.key())
    return back(f"/ui/runs/{run.id}", "retried", zone=form.zone())
