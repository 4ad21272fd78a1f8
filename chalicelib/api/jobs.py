"""/jobs: the list, one job in full, why it did (not) run, trigger, enable, disable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from chalicelib.model.instants import InstantError
from chalicelib.operations.operations import SwitchRequest, TriggerRequest
from chalicelib.operations.requests import find_job, not_followed
from chalicelib.store import history, registry

from . import parameters, serializers
from .problems import ProblemError
from .query import refused
from .routing import current_request, get, post

if TYPE_CHECKING:
    from .bodies import SwitchBody, TriggerBody

blueprint = Blueprint(__name__)

AT = parameters.written_instant(
    "at", "A time, such as 2026-03-02T08:00; without an offset in the job's zone."
)
MAX_KEY = 255


ENABLED_ONLY = parameters.flag("enabled_only", "Only jobs that are enabled.")
TAG = parameters.text("tag", "Only jobs with this tag.")
PROJECT = parameters.text("project", "Only jobs of this project.")
LIMIT = parameters.whole("limit", "At most so many jobs; unset: all.", low=1, high=1000, default=0)
AFTER = parameters.text("after", "The `next_after` of the page before: jobs after this id.")
KEY = parameters.text(
    "Idempotency-Key",
    "1 to 255 visible ASCII characters, bare or quoted. A second call with the same key returns the run of "
    "the first one; with another body it is a 409.",
    pattern=r'^([!#-~][!-~]{0,254}|"([ !#-\[\]-~]|\\["\\]){1,255}")$',
)


@get(blueprint, "/jobs", query=(ENABLED_ONLY, TAG, PROJECT, LIMIT, AFTER), returns="JobPage")
def jobs() -> dict[str, Any]:
    """List the jobs by id: all of them, or at most `limit` after an id."""
    current = current_request()
    query = current.query
    enabled_only, tag, project = ENABLED_ONLY.of(query), TAG.of(query), PROJECT.of(query)
    limit = LIMIT.of(query)
    now = current.sauron.clock.now()
    with current.sauron.store.read() as tx:
        found = [
            job
            for job in registry.all_jobs(tx, after=AFTER.of(query))
            if (job.enabled or not enabled_only)
            and (tag is None or tag in job.spec.tags)
            and project in {None, job.spec.project}
        ]
        shown = found[:limit] if limit else found
        last = history.last_runs(tx, [job.id for job in shown])
    items = [serializers.job(job, last.get(job.id), now=now) for job in shown]
    return serializers.page_of("jobs", items, next_after=shown[-1].id if len(shown) < len(found) else None)


@get(blueprint, "/jobs/{job_id}", returns="JobInFull", refuses=(404,))
def job(job_id: str) -> dict[str, Any]:
    """Return one job in full. A job that left its bundle is a 404 that says when, and where its runs are."""
    sauron = current_request().sauron
    with sauron.store.read() as tx:
        found = find_job(tx, job_id)
        last = history.last_runs(tx, [found.id]).get(found.id)
        executed = history.executed(tx, job_id)
    return serializers.job_in_full(found, last, executed, now=sauron.clock.now())


@get(blueprint, "/jobs/{job_id}/why", query=(AT,), returns="Why", refuses=(404,))
def why(job_id: str) -> dict[str, Any]:
    """Say why a job ran, did not run, or will or will not run, at a time (`at`), or lately."""
    current = current_request()
    try:
        return current.sauron.questions.why(job_id, AT.of(current.query))
    except InstantError as error:
        raise refused("at", str(error)) from None


@post(
    blueprint,
    "/jobs/{job_id}/trigger",
    body="TriggerBody",
    returns="Triggered",
    refuses=(400, 404, 409),
    headers=(KEY,),
)
def trigger(job_id: str, body: TriggerBody) -> dict[str, Any]:
    """Queue a run now. It is stored before the response is sent."""
    current = current_request()
    request = TriggerRequest(
        params=body.params,
        reason=body.reason,
        force=body.force,
        idempotency_key=_idempotency_key(current.request.headers.get("idempotency-key")),
        by=current.by,
        chain=body.chain,
    )
    run = current.sauron.operations.trigger(job_id, request)
    return {
        "job_id": job_id,
        "queued": True,
        "queue_id": run.id,
        "message": f"Run {run.id} of {job_id} is queued.{not_followed(current.sauron.store, run)}",
    }


@post(blueprint, "/jobs/{job_id}/enable", body="SwitchBody", returns="Switched", refuses=(404,))
def enable(job_id: str, body: SwitchBody) -> dict[str, Any]:
    """Enable a job, whatever its bundle says."""
    return _switch(job_id, body, enabled=True)


@post(blueprint, "/jobs/{job_id}/disable", body="SwitchBody", returns="Switched", refuses=(404,))
def disable(job_id: str, body: SwitchBody) -> dict[str, Any]:
    """Disable a job, whatever its bundle says. Runs in progress go on."""
    return _switch(job_id, body, enabled=False)


def _switch(job_id: str, body: SwitchBody, *, enabled: bool) -> dict[str, Any]:
    current = current_request()
    operations = current.sauron.operations
    act = operations.enable if enabled else operations.disable
    found = act(job_id, SwitchRequest(reason=body.reason, until=body.until, by=current.by))
    override = None if found.override is None else serializers.override(found.override)
    return {"job_id": job_id, "enabled": found.enabled, "override": override}


def _idempotency_key(sent: str | None) -> str | None:
    """Return the key: bare, or quoted as the IETF draft has it (a string of RFC 9651); both are one key."""
    if sent is None:
        return None
    key = sent.strip()
    if key.startswith('"'):
        inner = re.fullmatch(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"', key)
        key = re.sub(r"\\(.)", r"\1", inner[1]) if inner else ""
    elif not re.fullmatch(r"[\x21-\x7e]*", key):
        key = ""
    if not 1 <= len(key) <= MAX_KEY:
        raise ProblemError(
            400, f"Header Idempotency-Key: send 1 to {MAX_KEY} visible ASCII characters, or leave it out."
        )
    return key
