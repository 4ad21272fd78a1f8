"""What a person does to a job on its page: run it, switch it off and on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from chalice.app import Blueprint, Response

from chalicelib.api import parameters
from chalicelib.api.routing import current_request, get, post
from chalicelib.model.jobs import Job
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.operations.requests import find_job
from chalicelib.store import history

from . import effects, param_fields
from .act_page import Question, answer, show, until_of
from .form import ASK, PARAMS, Form
from .frame import SAID, back

blueprint = Blueprint(__name__)

REASON = parameters.text("reason", "What the field of that name holds at first.")
UNTIL = parameters.text("until", "What the field of that name holds at first.")
FILLED = (*SAID, REASON, UNTIL)


@get(blueprint, "/ui/jobs/{job_id}/trigger", query=FILLED)
def ask_trigger(job_id: str) -> Response:
    """Ask about a run of a job, with its params."""
    return show(_trigger_question(job_id), filled())


@post(blueprint, "/ui/jobs/{job_id}/trigger")
def trigger(job_id: str) -> Response:
    """Run a job now, with the params and the reason of the form. With the field `ask` it asks once more."""
    question = _trigger_question(job_id)  # before anything else: a job that is not there has no form

    def do(form: Form) -> Response:
        current = current_request()
        key = form.key()
        with current.sauron.store.read() as tx:
            schema = find_job(tx, job_id).spec.params_schema
            again = key is not None and history.by_idempotency_key(tx, job_id, key) is not None
        request = TriggerRequest(
            params=form.params(schema), reason=form.text("reason"), by=current.by, idempotency_key=key
        )
        run = current.sauron.operations.trigger(job_id, request)
        return back(page_of(job_id), "again" if again else "triggered", run=run.id, zone=form.zone())

    def asks(form: Form) -> bool:
        if form.filled("confirm") or not form.filled(ASK):
            return False
        current = current_request()
        with current.sauron.store.read() as tx:
            schema = find_job(tx, job_id).spec.params_schema
        current.sauron.operations.check_trigger(job_id, TriggerRequest(params=form.params(schema)))
        return True

    return answer(PARAMS, ask=lambda _: question, do=do, asks=asks)


def _trigger_question(job_id: str) -> Question:
    current = current_request()
    with current.sauron.store.read() as tx:
        job = find_job(tx, job_id)
        found = effects.of_triggering(tx, job)
    return Question(
        here="jobs",
        path=f"{page_of(job_id)}/trigger",
        title=f"Run {job.id} now?",
        button="Run now",
        effects=found,
        back=page_of(job_id),
        crumbs=crumbs(job),
        params=param_fields.fields(job.spec.params_schema),
        impossible=None if job.enabled and not job.rejected else "It is off, so nothing can start.",
    )


@get(blueprint, "/ui/jobs/{job_id}/disable", query=FILLED)
def ask_disable(job_id: str) -> Response:
    """Ask about switching a job off. The end may be filled in by the address."""
    return show(_switch_question(job_id, _filled_until(), enabled=False), filled())


@post(blueprint, "/ui/jobs/{job_id}/disable")
def disable(job_id: str) -> Response:
    """Disable a job, once it is confirmed."""
    return answer(
        "until",
        ask=lambda until: _switch_question(job_id, until, enabled=False),
        do=lambda form: _switch(job_id, form, enabled=False),
    )


@get(blueprint, "/ui/jobs/{job_id}/enable", query=FILLED)
def ask_enable(job_id: str) -> Response:
    """Ask about switching a job on, for good or until an instant."""
    return show(_switch_question(job_id, _filled_until(), enabled=True), filled())


@post(blueprint, "/ui/jobs/{job_id}/enable")
def enable(job_id: str) -> Response:
    """Enable a job."""
    return answer(
        "until",
        ask=lambda until: _switch_question(job_id, until, enabled=True),
        do=lambda form: _switch(job_id, form, enabled=True),
        asks=lambda _: False,
    )


def _switch(job_id: str, form: Form, *, enabled: bool) -> Response:
    current = current_request()
    request = SwitchRequest(reason=form.text("reason"), until=form.instant("until"), by=current.by)
    operations = current.sauron.operations
    (operations.enable if enabled else operations.disable)(job_id, request)
    return back(page_of(job_id), "enabled" if enabled else "disabled", zone=form.zone())


def _switch_question(job_id: str, until: datetime | None, *, enabled: bool) -> Question:
    current = current_request()
    now = current.sauron.clock.now()
    with current.sauron.store.read() as tx:
        job = find_job(tx, job_id)
        if enabled:
            found = effects.of_switching_on(job, until, now=now)
        else:
            found = effects.of_switching_off(tx, job, until, now=now)
    word = "on" if enabled else "off"
    return Question(
        here="jobs",
        path=f"{page_of(job_id)}/{'enable' if enabled else 'disable'}",
        title=f"Switch {job.id} {word}?",
        button=f"Switch {word}",
        effects=found,
        back=page_of(job_id),
        crumbs=crumbs(job),
        until_of="until somebody switches it again",
    )


def filled() -> Mapping[str, str]:
    """Return what the address fills into a form."""
    query = current_request().query
    return {one.name: text for one in (REASON, UNTIL) if (text := one.of(query))}


def _filled_until() -> datetime | None:
    return until_of(filled())


def page_of(job_id: str) -> str:
    """Return the path of a job's page."""
    return f"/ui/jobs/{quote(job_id, safe='')}"


def crumbs(job: Job) -> list[tuple[str, str]]:
    """Return the links above the title of an act of a job."""
    return [("/ui/jobs", "Jobs"), (page_of(job.id), job.id)]
