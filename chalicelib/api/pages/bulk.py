"""Acts on several jobs of the list at once: run them, switch them on or off.

The page asks once more and names the jobs, and those with which it cannot be done. Each job is an act of its
own in the audit log. What was done stays done if another job refuses; the page then tells both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing
from chalicelib.api.acting import one_of_many
from chalicelib.api.problems import ProblemError
from chalicelib.api.routing import current_request, post
from chalicelib.errors import SauronError
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.operations.requests import find_job
from chalicelib.store.database import Tx
from chalicelib.text import counted
from chalicelib.web.zoned import Sentence

from .act_page import Effect, Question, answer
from .effects import skipped
from .form import Form, refused, repeated, typed
from .frame import back, page

blueprint = Blueprint(__name__)

LIST = "/ui/jobs"
NAMED = 10  # jobs of which the page says what will happen


@dataclass(frozen=True, slots=True)
class Bulk:
    """An act on several jobs: its words, the scope that it needs, and the message once all is done."""

    verb: str
    scope: str
    did: str


BULKS = {
    "trigger": Bulk("Run", "trigger", "all_triggered"),
    "enable": Bulk("Switch on", "operate", "all_enabled"),
    "disable": Bulk("Switch off", "operate", "all_disabled"),
}


@post(blueprint, LIST)
def bulk() -> Response:
    """Run, enable or disable the jobs that the form names, once it is confirmed."""
    request = current_request().request
    name, chosen = _act(typed(request).get("act")), repeated(request, "job")

    def asks(form: Form) -> bool:
        if not chosen:
            raise refused("job", "choose at least one job")
        return not form.filled("confirm")

    return answer(
        "act",
        "until",
        many=("job",),
        asks=asks,
        ask=lambda until: _question(name, chosen, until),
        do=lambda form: _do(form, name, chosen),
    )


def _act(name: str | None) -> str:
    if name not in BULKS:
        raise refused("act", f"write one of {', '.join(BULKS)}")
    needed = BULKS[name].scope
    if not current_request().caller.may(needed):
        raise ProblemError(403, f"This needs a token of scope {needed!r}.", needed=needed)
    return name


def _do(form: Form, name: str, chosen: Sequence[str]) -> Response:
    reason, until, key = form.text("reason"), form.instant("until"), form.key()
    current = current_request()
    done: list[str] = []
    refusals: list[tuple[str, str]] = []
    for job_id in chosen:
        try:
            with one_of_many(current.caller, name, job_id, reason):
                _one(name, job_id, reason, until, f"{key}:{job_id}" if key else None)
            done.append(job_id)
        except SauronError as error:
            refusals.append((job_id, str(error)))
    if not refusals:
        return back(LIST, BULKS[name].did, zone=form.zone())
    with current.sauron.store.read() as tx:
        red = failing(tx)
    return page(
        "bulk_done.html",
        here="jobs",
        zone=form.zone(),
        status=200 if done else 422,
        failing=red,
        verb=BULKS[name].verb,
        done=done,
        refusals=refusals,
    )


def _one(name: str, job_id: str, reason: str | None, until: datetime | None, key: str | None) -> None:
    current = current_request()
    operations = current.sauron.operations
    if name == "trigger":
        operations.trigger(job_id, TriggerRequest(reason=reason, by=current.by, idempotency_key=key))
    else:
        switch = operations.enable if name == "enable" else operations.disable
        switch(job_id, SwitchRequest(reason=reason, until=until, by=current.by))


def _question(name: str, chosen: Sequence[str], until: datetime | None) -> Question:
    sauron = current_request().sauron
    able: list[str] = []
    effects: list[Effect] = []
    for job_id in chosen:
        try:
            _check(name, job_id)
        except SauronError as error:
            effects.append(Effect("rejected", f"Not {job_id}", str(error)))
        else:
            able.append(job_id)
    with sauron.store.read() as tx:
        told = [_effect(tx, name, job_id, until) for job_id in able[:NAMED]]
    if more := len(able) - len(told):
        told.append(Effect("to-come", f"And {counted(more, 'job')} more", ", ".join(able[NAMED:])))
    verb = BULKS[name].verb
    return Question(
        here="jobs",
        path=LIST,
        title=f"{verb} {counted(len(able), 'job')}?",
        button=f"{verb} {counted(len(able), 'job')}",
        effects=[*effects, *told],
        back=LIST,
        crumbs=[(LIST, "Jobs")],
        hidden=[("act", name), *(("job", job_id) for job_id in able)],
        until_of=None if name == "trigger" else "until somebody switches them again",
        impossible=None if able else "None of the jobs that you chose can be part of this.",
    )


def _check(name: str, job_id: str) -> None:
    """Raise what the act would raise."""
    sauron = current_request().sauron
    if name == "trigger":
        sauron.operations.check_trigger(job_id, TriggerRequest())
        return
    with sauron.store.read() as tx:
        find_job(tx, job_id)


def _effect(tx: Tx, name: str, job_id: str, until: datetime | None) -> Effect:
    if name == "disable":
        now = current_request().sauron.clock.now()
        what = skipped(find_job(tx, job_id), until, now)
        said = f"{what.what}"
        lowered = f"{said[0].lower()}{said[1:]}"
        return Effect("off", job_id, Sentence("{}: {}", (lowered, what.more)) if what.more else lowered)
    words: dict[str, Callable[[], Effect]] = {
        "trigger": lambda: Effect("queued", job_id, "a run is queued now"),
        "enable": lambda: Effect("well", job_id, "occurrences run again"),
    }
    return words[name]()
