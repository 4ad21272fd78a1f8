"""/pause and /unpause: let nothing start for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from chalicelib.operations.operations import SwitchRequest

from . import serializers
from .routing import current_request, post

if TYPE_CHECKING:
    from .bodies import ReasonBody, SwitchBody

blueprint = Blueprint(__name__)


@post(blueprint, "/pause", body="SwitchBody", returns="PauseState")
def pause(body: SwitchBody) -> dict[str, Any]:
    """Let nothing start: occurrences are skipped, what waits goes on waiting, what runs goes on.

    A second pause takes the place of the first.
    """
    current = current_request()
    request = SwitchRequest(reason=body.reason, until=body.until, by=current.by)
    return {"paused": serializers.pause(current.sauron.operations.pause(request))}


@post(blueprint, "/unpause", body="ReasonBody", returns="PauseState")
def unpause(body: ReasonBody) -> dict[str, Any]:  # noqa: ARG001 - the audit log keeps it
    """Let runs start again."""
    current = current_request()
    current.sauron.operations.unpause(by=current.by)
    return {"paused": None}
