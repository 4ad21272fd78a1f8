"""/runners: drain a runner before it is stopped."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from .routing import current_request, post

blueprint = Blueprint(__name__)


@post(blueprint, "/runners/{name}/drain")
def drain(name: str) -> dict[str, Any]:
    """Stop a runner from claiming runs until it is resumed or restarted; its running attempts finish."""
    return _drain(name, draining=True)


@post(blueprint, "/runners/{name}/resume")
def resume(name: str) -> dict[str, Any]:
    """Let a drained runner claim again."""
    return _drain(name, draining=False)


def _drain(name: str, *, draining: bool) -> dict[str, Any]:
    from .bodies import ReasonBody, read

    current = current_request()
    read(ReasonBody, current.request)  # the audit log keeps the reason
    current.sauron.operations.drain(name, draining=draining)
    return {"name": name, "draining": draining}
