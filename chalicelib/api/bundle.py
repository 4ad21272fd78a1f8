"""/sync and /rollback: which revision of the bundle is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from chalicelib.bundle.remote_sync import STILL_RUNNING
from chalicelib.bundle.report import SyncReport
from chalicelib.operations import acts

from . import serializers
from .routing import current_request, post

if TYPE_CHECKING:
    from .bodies import RollbackBody, SyncBody

blueprint = Blueprint(__name__)


@post(blueprint, "/sync", body="SyncBody", returns="Synced")
def sync(body: SyncBody) -> dict[str, Any]:
    """Sync now: drop an earlier pin, or pin the bundle to `ref`. A failed sync is a 200 with the reason."""
    current = current_request()
    return serializers.sync(
        judged(
            current.sauron.sync_requests.sync(
                ref=body.ref, accept_removals=body.accept_removals, by=current.by
            )
        )
    )


@post(blueprint, "/rollback", body="RollbackBody", returns="Synced", refuses=(404, 409))
def rollback(body: RollbackBody) -> dict[str, Any]:
    """Activate an earlier revision and pin it until the next sync that is requested."""
    current = current_request()
    return serializers.sync(judged(current.sauron.sync_requests.rollback(body.sha.lower(), by=current.by)))


def judged(report: SyncReport) -> SyncReport:
    """Return a report; the audit log is told what it led to, one without success as a refusal."""
    if not report.success and report.message != STILL_RUNNING:
        acts.refuse(report.message)
    if report.success and report.sha:
        acts.led_to(
            revision=report.sha,
            unchanged=report.unchanged,
            added=len(report.jobs_added),
            removed=len(report.jobs_removed),
            rescheduled=len(report.jobs_rescheduled),
        )
    return report
