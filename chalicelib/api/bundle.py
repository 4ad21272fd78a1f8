"""/sync and /rollback: which revision of the bundle is active."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.bundle.remote_sync import STILL_RUNNING
from chalicelib.bundle.report import SyncReport
from chalicelib.operations import acts

from . import serializers
from .routing import current_request, post

blueprint = Blueprint(__name__)


@post(blueprint, "/sync")
def sync() -> dict[str, Any]:
    """Sync now: drop an earlier pin, or pin the bundle to `ref`. A failed sync is a 200 with the reason."""
    from .bodies import SyncBody, read

    current = current_request()
    body = read(SyncBody, current.request)
    return serializers.sync(
        judged(
            current.sauron.sync_requests.sync(
                ref=body.ref, accept_removals=body.accept_removals, by=current.by
            )
        )
    )


@post(blueprint, "/rollback")
def rollback() -> dict[str, Any]:
    """Activate an earlier revision and pin it until the next sync that is requested."""
    from .bodies import RollbackBody, read

    current = current_request()
    body = read(RollbackBody, current.request)
    return serializers.sync(judged(current.sauron.sync_requests.rollback(body.sha.lower(), by=current.by)))


def judged(report: SyncReport) -> SyncReport:
    """Return a report; for the audit log one without success is a refusal."""
    if not report.success and report.message != STILL_RUNNING:
        acts.refuse(report.message)
    return report
