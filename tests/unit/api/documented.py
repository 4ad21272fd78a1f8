"""Holds a response against what /openapi.json says of it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

import app as application
from chalicelib.api.openapi_document import document
from chalicelib.api.routing import declared

ANYWHERE = {404, 405}  # an unknown path or method belongs to no operation


@functools.cache
def the_document() -> dict[str, Any]:
    return document(declared(application.app))


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    # /jobs/{job_id} after /jobs/..., so that the more exact path is found first
    paths = sorted(the_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]


@functools.cache
def _validator(pointer: str) -> Draft202012Validator:
    whole = the_document()
    return Draft202012Validator({"$ref": pointer, "components": whole["components"]})


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> None:
    """Fail if a response of a documented operation is not as documented."""
    bare = path.partition("?")[0]
    found = next((one for pattern, one in _patterns() if pattern.fullmatch(bare)), None)
    operation = found and the_document()["paths"][found].get("get" if method == "HEAD" else method.lower())
    if not operation:
        return
    said = operation["responses"].get(str(status))
    if said is None:
        assert status in ANYWHERE, f"{method} {path}: {status} is not documented"
        return
    if "$ref" in said:
        said = the_document()["components"]["responses"][said["$ref"].rpartition("/")[2]]
    if method == "HEAD" or "content" not in said:
        assert body == ""
        return
    kind = headers["content-type"].partition(";")[0]
    schema = said["content"][kind]["schema"]
    if "$ref" in schema:
        _validator(schema["$ref"]).validate(json.loads(body))
