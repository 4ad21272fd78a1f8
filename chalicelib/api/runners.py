"""/runners: having one of several runners claim nothing more before it is taken away."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from .routing import current_request, post

blueprint = Blueprint(__name__)


@post(blueprint, "/runners/{name}/drain")
def drain(name: str) -> dict[str, Any]:
    """Have a runner claim nothing more; what it runs goes on to its end. It lasts until it is resumed or ends."""
    current_request().sauron.operations.drain(name, draining=True)
    return {"name": name, "draining": True}


@post(blueprint, "/runners/{name}/resume")
def resume(name: str) -> dict[str, Any]:
    """Have a runner claim again."""
    current_request().sauron.operations.drain(name, draining=False)
    return {"name": name, "draining": False}
