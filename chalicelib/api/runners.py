"""/runners: drain a runner before it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from .routing import current_request, post

if TYPE_CHECKING:
    from .bodies import ReasonBody

blueprint = Blueprint(__name__)


@post(blueprint, "/runners/{name}/drain", body="ReasonBody", returns="Drained", refuses=(404,))
def drain(name: str, body: ReasonBody) -> dict[str, Any]:  # noqa: ARG001 - the audit log keeps it
    """Stop a runner from claiming runs until it is resumed or restarted; its running attempts finish."""
    return _drain(name, draining=True)


@post(blueprint, "/runners/{name}/resume", body="ReasonBody", returns="Drained", refuses=(404,))
def resume(name: str, body: ReasonBody) -> dict[str, Any]:  # noqa: ARG001 - the audit log keeps it
    """Let a drained runner claim again."""
    return _drain(name, draining=False)


def _drain(name: str, *, draining: bool) -> dict[str, Any]:
    current_request().sauron.operations.drain(name, draining=draining)
    return {"name": name, "draining": draining}
