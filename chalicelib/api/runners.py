"""/runners: drain a runner before it is stopped."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from .routing import current_request, post

blueprint = Blueprint(__name__)


@post(blueprint, "/runners/{name}/drain", returns="Drained", refuses=(404,))
def drain(name: str) -> dict[str, Any]:
    """Stop a runner from claiming runs until it is resumed or restarted; its running attempts finish."""
    current_request().sauron.operations.drain(name, draining=True)
    return {"name": name, "draining": True}


@post(blueprint, "/runners/{name}/resume", returns="Drained", refuses=(404,))
def resume(name: str) -> dict[str, Any]:
    """Let a drained runner claim again."""
    current_request().sauron.operations.drain(name, draining=False)
    return {"name": name, "draining": False}
