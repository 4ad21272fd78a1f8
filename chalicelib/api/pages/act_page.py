"""The page of an act: its form, with what was typed and what was wrong, beside what the act will do.

An act that asks once more is done when its form comes with the field `confirm`, which this page adds; a
program may send it at once. Asking is not an act: the audit log is told nothing. A mistake comes back as this
page with a 4xx, and keeps what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chalice.app import Response

from chalicelib.answers.job_health import failing
from chalicelib.api.problems import ProblemError
from chalicelib.api.routing import current_request
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ParamsError, SauronError, ScheduleError, UnknownRefError, UntilError
from chalicelib.model.instants import InstantError
from chalicelib.operations import acts
from chalicelib.operations.requests import check_until
from chalicelib.web.zoned import Sentence

from .form import CHOICE, PARAMS, Form, typed
from .frame import page
from .param_fields import Field
from .zone import page_zone, read_local

UNPROCESSABLE = 422
EIGHT = " 08:00"
_REQUIRED = re.compile(r"params: '(.+)' is a required property")


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that an act will do: a mark, a short sentence, and the particulars."""

    mark: str
    what: str | Sentence
    more: str | Sentence = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the page of an act asks. `path` takes the form; `until_of` names what has an end, if it has one.

    `hidden` are fields that are sent again as they are, `plan` is what a revision would change, `impossible`
    says why the act cannot be done at all.
    """

    here: str
    path: str
    title: str
    button: str
    effects: Sequence[Effect]
    back: str
    crumbs: Sequence[tuple[str, str]]
    hidden: Sequence[tuple[str, str]] = ()
    params: Sequence[Field] = ()
    until_of: str | None = None
    danger: bool = False
    plan: Mapping[str, Any] | None = None
    impossible: str | None = None
    reads: Sequence[str] = field(default=("reason", "until"))


Ask = Callable[[datetime | None], Question]


def answer(
    *known: str,
    ask: Ask,
    do: Callable[[Form], Response],
    asks: Callable[[Form], bool] = lambda form: not form.filled("confirm"),
    many: Sequence[str] = (),
) -> Response:
    """Handle a form of an act: do it, ask once more (`asks`), or show what was wrong with what was typed.

    `ask` returns the question for an end of the act, None if it has none. The buttons of ends that are a
    click away send the whole form, so that nothing of it is lost.
    """
    request = current_request().request
    try:
        form = Form(request, *known, many=many)
        zone = form.zone()
        if (chosen := form.instant(CHOICE)) is not None:
            acts.only_asked()
            filled = typed(request)
            return show(ask(chosen), filled | {"until": filled[CHOICE]}, zone=zone)
        until = form.instant("until")
        check_until(until, current_request().sauron.clock.now())
        if not asks(form):
            return do(form)
        acts.only_asked()
        return show(ask(until), typed(request), zone=zone)
    except SauronError as error:
        errors = _errors(error)
        if errors is None or "json" in request.headers.get("accept", ""):
            raise
        acts.refuse(str(error))
        values = typed(request)
        return show(ask(until_of(values)), values, zone=_zone(values), errors=errors)


def show(
    question: Question,
    values: Mapping[str, str],
    *,
    zone: ZoneInfo | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """Show the page of an act, with what was typed (`values`) and what is wrong with it, by field."""
    current = current_request()
    zone = zone or page_zone()
    now = current.sauron.clock.now()
    until = until_of(values)
    drawn = {one.name for one in question.params} | set(question.reads)
    with current.sauron.store.read() as tx:
        red = failing(tx)
    response = page(
        "act.html",
        here=question.here,
        zone=zone,
        status=UNPROCESSABLE if errors else 200,
        failing=red,
        ask=question,
        values={"reason": "", "until": "", "key": "", **values},
        params_sent=PARAMS in values,
        errors=errors or {},
        elsewhere={name: why for name, why in (errors or {}).items() if name not in drawn},
        until=until,
        remark=_remark(values, zone),
        choices=_choices(now, zone) if question.until_of else {},
        sender=current.by or acts.ANYBODY,
    )
    # A browser that may not store the answer to a form cannot go back to it.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _choices(now: datetime, zone: ZoneInfo) -> dict[str, str]:
    """Return the ends that are a click away: the words of each local time, once where two are the same."""
    local = now.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    eight = datetime.combine(local.date(), time(8))
    hour = (now + timedelta(hours=1)).astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    ends = (
        ("1 hour", hour),
        (f"tomorrow{EIGHT}", eight + timedelta(days=1)),
        (f"Monday{EIGHT}", eight + timedelta(days=7 - local.weekday())),
        ("a week", local + timedelta(days=7)),
    )
    found: dict[str, str] = {}
    for words, end in ends:
        at = end.isoformat(timespec="minutes")
        found[at] = f"{found[at].removesuffix(EIGHT)}, {words}" if at in found else words
    return found


def _zone(values: Mapping[str, str]) -> ZoneInfo:
    """Return the zone of a form, that of the address if the form's is not known."""
    try:
        return find_zone(values["tz"], expression=None) if values.get("tz") else page_zone()
    except ScheduleError:
        return page_zone()


def until_of(values: Mapping[str, str]) -> datetime | None:
    """Return the end that a form was filled with, None if there is none or it cannot be read."""
    try:
        return read_local(values["until"].strip(), _zone(values)).instant if values.get("until") else None
    except InstantError:
        return None


def _remark(values: Mapping[str, str], zone: ZoneInfo) -> str | None:
    """Say how an end was read that the clock skips, or that comes twice."""
    try:
        return read_local(values["until"].strip(), zone).remark if values.get("until") else None
    except InstantError:
        return None


def _errors(error: SauronError) -> dict[str, str] | None:
    """Return what is wrong with the fields of a form, by their names; None if it is none of them."""
    if isinstance(error, UntilError):
        return {"until": str(error)}
    if isinstance(error, UnknownRefError):
        return {"ref": str(error)}
    if isinstance(error, ParamsError):
        return dict(_of_params(fault) for fault in error.faults)
    if isinstance(error, ProblemError) and error.status == UNPROCESSABLE:
        faults = error.facts.get("faults") or [str(error)]
        return {name: why or name for name, _, why in (str(fault).partition(": ") for fault in faults)}
    return None


def _of_params(fault: str) -> tuple[str, str]:
    if missing := _REQUIRED.match(fault):
        return f"{PARAMS}{missing[1]}", "it is missing"
    path, _, why = fault.partition(": ")
    name = re.split(r"[/.]", path)[0]
    return (PARAMS if name == "params" else f"{PARAMS}{name}"), why or fault
