"""The bundle: what is in force, what waits, what a revision would change, and what each changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.answers.job_health import failing
from chalicelib.answers.revision_changes import Changes, changes
from chalicelib.api import parameters, status_report
from chalicelib.api.query import refused
from chalicelib.api.routing import current_request, get
from chalicelib.errors import BundleError, NoBundleError, UnknownRefError
from chalicelib.store import bundle, registry
from chalicelib.store.bundle import Revision

from .frame import SAID, page

blueprint = Blueprint(__name__)

REF = parameters.text("ref", "Show what this branch, tag or commit would change.")
AFTER = parameters.text("after", "The last revision of the page before.")
SHOWN = 10  # revisions on one page
REMARKS = 20


@dataclass(frozen=True, slots=True)
class Past:
    """A revision that is or was in force: since when, until when, and what it changed."""

    revision: Revision
    until: datetime | None
    changes: Changes


@get(blueprint, "/ui/bundle", query=(*SAID, REF, AFTER))
def bundle_page() -> Response:
    """Show the bundle; with `ref` also what that revision would change. Nothing is activated by looking."""
    current = current_request()
    sauron = current.sauron
    ref, after = REF.of(current.query), AFTER.of(current.query)
    with sauron.store.read() as tx:
        state = bundle.state(tx)
        red = failing(tx)
        jobs = registry.count(tx)
        before = _activated_at(bundle.known_revisions(tx, [after]), after) if after else None
        found = bundle.past_revisions(tx, limit=SHOWN + 1, before=before)
        past = []
        until = before
        for number, one in enumerate(found[:SHOWN]):
            former = found[number + 1] if number + 1 < len(found) else None
            past.append(Past(one, until, changes(tx, one, former)))
            until = one.activated_at
    plan, refusal, status = _plan(ref)
    active = next((one.revision for one in past if one.revision.sha == state.active_sha), None)
    return page(
        "bundle.html",
        here="bundle",
        status=status,
        failing=red,
        configured=bool(sauron.settings.jobs_git_repo_url),
        git=status_report.git_sync(sauron.settings, state, active),
        bundle=state,
        jobs=jobs,
        past=past,
        following=found[SHOWN - 1].sha if len(found) > SHOWN else None,
        ref=ref,
        plan=plan,
        refusal=refusal,
        remarks=state.remarks[:REMARKS],
    )


def _activated_at(known: Mapping[str, Revision], sha: str) -> datetime | None:
    """Return when a revision became active. Raises ProblemError 400 for one that is not kept."""
    if sha not in known:
        raise refused("after", f"{sha!r:.80} is not a revision that is kept; leave it out")
    return known[sha].activated_at


def _plan(ref: str | None) -> tuple[Mapping[str, Any] | None, str | None, int]:
    """Return the plan of a ref, or why there is none, and the status of the page."""
    if ref is None:
        return None, None, 200
    try:
        return current_request().sauron.questions.plan(ref), None, 200
    except UnknownRefError as error:
        return None, str(error), 422
    except NoBundleError as error:
        return None, str(error), 409
    except BundleError as error:
        return None, str(error), 503
