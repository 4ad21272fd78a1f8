"""What a person does to the bundle on its page: sync it, go back to an earlier revision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.answers.job_set import Candidate
from chalicelib.api import parameters
from chalicelib.api.bundle import judged
from chalicelib.api.routing import current_request, get, post
from chalicelib.errors import UnknownRevisionError
from chalicelib.model.faults import HELD
from chalicelib.operations import acts
from chalicelib.store import bundle

from .act_page import Effect, Question, answer, show
from .form import ASK, Form, refused, typed
from .frame import SAID, back

blueprint = Blueprint(__name__)

SHA = parameters.text("sha", "The revision to go back to.")
PAGE = "/ui/bundle"
_CRUMBS = [(PAGE, "Bundle")]
_RUNS = Effect("running", "Runs in progress go on", "with the revision that they began with")


@post(blueprint, "/ui/sync")
def sync() -> Response:
    """Sync the bundle now. With `ref` or `ask`, and for a revision that removes most jobs, it asks first."""

    def do(form: Form) -> Response:
        current = current_request()
        ref = form.text("ref")
        acts.describe(subject=ref)
        report = judged(
            current.sauron.sync_requests.sync(ref=ref, accept_removals=form.filled("confirm"), by=current.by)
        )
        if report.fault == HELD:
            held = _sync_question(ref, planned=False, why=report.message)
            return show(held, typed(current.request), zone=form.zone())
        return back(PAGE, "synced" if report.success else "unsynced", zone=form.zone())

    return answer(
        "ref",
        ask=lambda _: _sync_question(_sent("ref"), planned=True),
        do=do,
        asks=lambda form: (form.filled("ref") or form.filled(ASK)) and not form.filled("confirm"),
    )


def _sent(name: str) -> str | None:
    return typed(current_request().request).get(name, "").strip() or None


def _sync_question(ref: str | None, *, planned: bool, why: str | None = None) -> Question:
    sauron = current_request().sauron
    plan: Mapping[str, Any] | None = sauron.questions.plan(ref) if planned else None
    effects = [Effect("rejected", "It removes most of the jobs", why)] if why else _of_plan(plan)
    if ref:
        effects.append(Effect("off", f"The bundle is pinned to {ref}", "until somebody syncs without a ref"))
    name = ref or "the newest revision"
    return Question(
        here="bundle",
        path="/ui/sync",
        title="Accept the removals?" if why else f"Sync to {name}?",
        button="Sync, and remove them" if why else "Sync",
        effects=[*effects, _RUNS],
        back=PAGE,
        crumbs=_CRUMBS,
        hidden=[("ref", ref)] if ref else [],
        plan=plan,
        danger=why is not None,
        impossible=_fault(plan),
        reads=("reason",),
    )


@get(blueprint, "/ui/rollback", query=(*SAID, SHA))
def ask_rollback() -> Response:
    """Show what going back to an earlier revision would change, and ask about it."""
    sha = SHA.of(current_request().query)
    return show(_rollback_question(_full(sha)), {"sha": sha or ""})


@post(blueprint, "/ui/rollback")
def rollback() -> Response:
    """Activate an earlier revision and pin it, once it is confirmed."""

    def do(form: Form) -> Response:
        current = current_request()
        sha = _full(form.text("sha"))
        acts.describe(subject=sha)
        report = judged(current.sauron.sync_requests.rollback(sha, by=current.by))
        return back(PAGE, "rolled_back" if report.success else "not_rolled_back", zone=form.zone())

    return answer("sha", ask=lambda _: _rollback_question(_full(_sent("sha"))), do=do)


def _full(written: str | None) -> str:
    """Return the full id of an earlier revision. Raises ProblemError 422, UnknownRevisionError."""
    if not re.fullmatch(r"[0-9a-fA-F]{7,40}", written or ""):
        raise refused("sha", "write a commit id of 7 to 40 hexadecimal digits")
    sha = str(written).lower()
    with current_request().sauron.store.read() as tx:
        found = bundle.find_revisions(tx, sha)
    if len(found) != 1:
        raise UnknownRevisionError(sha)
    return found[0].sha


def _rollback_question(sha: str) -> Question:
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        jobs, rejected = bundle.definitions(tx, sha)
    plan = sauron.questions.plan(candidate=Candidate(to=sha, jobs=jobs, rejected=rejected))
    pinned = Effect("off", "The bundle stays there", "no commit is activated until somebody syncs")
    return Question(
        here="bundle",
        path="/ui/rollback",
        title=f"Go back to {sha[:7]}?",
        button="Go back",
        effects=[*_of_plan(plan), pinned, _RUNS],
        back=PAGE,
        crumbs=_CRUMBS,
        hidden=[("sha", sha)],
        plan=plan,
        danger=True,
        reads=("reason", "sha"),
    )


def _of_plan(plan: Mapping[str, Any] | None) -> list[Effect]:
    if plan is None:
        return []
    counts: dict[str, int] = {}
    for one in plan["jobs"]:
        counts[one["change"]] = counts.get(one["change"], 0) + 1
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    load = plan["load"]
    more = f"{load['before']} \u2192 {load['after']} runs in {plan['days']} days"
    return [Effect("to-come", f"Jobs: {said}" if said else "No job changes", more)]


def _fault(plan: Mapping[str, Any] | None) -> str | None:
    """Return why a revision cannot be activated at all."""
    problems = plan["problems"] if plan else ()
    return next((one["problem"] for one in problems if one["job_id"] is None and "fail" in one["cure"]), None)
