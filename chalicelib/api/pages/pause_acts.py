"""What a person does about a pause of everything on the overview."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from chalicelib.api.routing import current_request, post

from .form import Form
from .frame import back

blueprint = Blueprint(__name__)


@post(blueprint, "/ui/unpause")
def unpause() -> Response:
    """Let runs start again."""
    current = current_request()
    Form(current.request)  # the audit log keeps the reason
    current.sauron.operations.unpause(by=current.by)
    return back("/", "unpaused")
