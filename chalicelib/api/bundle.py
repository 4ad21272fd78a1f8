"""/sync and /rollback: which revision of the bundle is active."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from . import serializers
from .routing import current_request, post

blueprint = Blueprint(__name__)


@post(blueprint, "/sync")
def sync() -> dict[str, Any]:
    """Sync now and let go of an earlier pin, or pin the bundle to `ref`. A failed sync is answered with 200 and its reason."""
    from .bodies import SyncBody, read

    call = current_request()
    body = read(SyncBody, call.request)
    return serializers.sync(
        call.sauron.sync_requests.sync(ref=body.ref, accept_removals=body.accept_removals, by=call.by)
    )


@post(blueprint, "/rollback")
def rollback() -> dict[str, Any]:
    """Activate a revision that was active before and pin it until the next sync that someone asks for."""
    from .bodies import RollbackBody, read

    call = current_request()
    body = read(RollbackBody, call.request)
    return serializers.sync(call.sauron.sync_requests.rollback(body.sha.lower(), by=call.by))
