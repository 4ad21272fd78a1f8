"""/openapi.json: this API for programs, as OpenAPI 3.1. It says nothing of this Sauron."""

from __future__ import annotations

import functools

from chalice.app import Blueprint, Response

from .routing import as_json, declared, get

blueprint = Blueprint(__name__)


@get(blueprint, "/openapi.json", returns="application/json", damaged_too=True)
def openapi() -> Response:
    """Return this document."""
    return Response(body=_written(), headers={"Content-Type": "application/json"})


@functools.cache
def _written() -> str:
    from .openapi_document import document

    text: str = as_json(document(declared(blueprint.current_app))).body
    return text
