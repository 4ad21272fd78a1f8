"""Write docs/api.md from the OpenAPI document: `make docs`. A test compares the file with what is written."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import app as application
from chalicelib.api.openapi_document import document
from chalicelib.api.routing import declared

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
WIDTH = 110
Json = Mapping[str, Any]


def main() -> int:
    """Write the page."""
    PAGE.write_text(written(document(declared(application.app))), encoding="utf-8")
    return 0


def written(openapi: Json) -> str:
    """Return the page of a document."""
    return "\n".join(_lines(openapi)) + "\n"


def _lines(openapi: Json) -> Iterator[str]:
    yield from ("# The HTTP API", "")
    yield from ("<!-- `make docs` writes this page from the routes' declarations. -->", "")
    yield "For programs the same is at `/openapi.json` of every Sauron."
    for part in openapi["info"]["description"].strip().split("\n\n"):
        yield from ("", *_wrapped(part))
    yield from ("", "## Routes", "", "| route | what it does |", "|---|---|")
    for name, operation in _operations(openapi):
        yield f"| [{name}](#{_anchor(name)}) | {_cell(operation['summary'])} |"
    yield from ("", "## Errors", "")
    yield from _wrapped(f"Each has the shape {_link('Problem')}.")
    yield from ("", "| status | meaning |", "|---|---|")
    for status, refusal in _refusals(openapi):
        yield f"| {status} | {_cell(refusal['description'])} |"
    for name, operation in _operations(openapi):
        yield from ("", f"## {name}", "")
        yield from _operation(openapi, operation)
    yield from ("", "## Shapes")
    for name, schema in sorted(openapi["components"]["schemas"].items()):
        yield from ("", f"### {name}", "", *_wrapped(schema.get("description", "")), "")
        yield from _shape(schema)


def _operations(openapi: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _operation(openapi: Json, operation: Json) -> Iterator[str]:
    yield from _wrapped(f"{operation['summary']} {operation['description']}")
    taken = [one for one in operation["parameters"] if one["name"] != "If-None-Match"]
    if taken:
        yield from ("", "| parameter | in | type | meaning |", "|---|---|---|---|")
    for one in taken:
        about = _cell(one.get("description", ""))
        yield f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {about} |"
    if "requestBody" in operation:
        need = "" if operation["requestBody"]["required"] else ", or no body"
        yield from ("", f"Body: {_content(operation['requestBody'])}{need}.")
    yield ""
    refused = [status for status, said in operation["responses"].items() if "$ref" in said]
    for status, said in operation["responses"].items():
        if "content" in said:
            yield from _wrapped(f"{status}: {_content(said)}.")
    sent = {name: about for name, about in _sent(operation) if name != "ETag"}
    if sent:
        yield from ("", "| header | meaning |", "|---|---|")
        for name, about in sent.items():
            yield f"| `{name}` | {_cell(about)} |"
    if refused:
        yield from ("", *_wrapped(f"[Refused](#errors) with {', '.join(refused)}."))


def _sent(operation: Json) -> Iterator[tuple[str, str]]:
    for said in operation["responses"].values():
        for name, header in said.get("headers", {}).items():
            yield name, header["description"]


def _refusals(openapi: Json) -> list[tuple[int, Json]]:
    found = openapi["components"]["responses"]
    return sorted((int(name.removeprefix("Problem")), refusal) for name, refusal in found.items())


def _shape(schema: Json) -> Iterator[str]:
    if "enum" in schema:
        yield from _wrapped(f"One of {', '.join(f'`{one}`' for one in schema['enum'])}.")
        return
    yield from ("| member | type | meaning |", "|---|---|---|")
    required = schema.get("required", [])
    for name, member in schema["properties"].items():
        shown = f"`{name}`" if name in required else f"`{name}` (may be missing)"
        yield f"| {shown} | {_type(member)} | {_cell(member.get('description', ''))} |"


def _content(of: Json) -> str:
    kinds = ((kind, said["schema"]) for kind, said in of["content"].items())
    return " or ".join(f"`{kind}`" if schema.get("type") else _type(schema) for kind, schema in kinds)


def _type(schema: Json) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        words = _link(schema["$ref"].rpartition("/")[2])
    elif {"format": "date-time"} in schema.get("anyOf", ()):
        words = "instant"
    elif "anyOf" in schema:
        words = " or ".join(_type(one) for one in schema["anyOf"])
    elif "enum" in schema:
        words = ", ".join(f"`{one}`" for one in schema["enum"])
    elif "items" in schema:
        words = f"list of {_type(schema['items'])}"
    elif isinstance(schema.get("additionalProperties"), dict):
        words = f"object of {_type(schema['additionalProperties'])}"
    elif schema.get("format") == "date-time":
        words = "instant"
    else:
        words = _simple(schema)
    return words


def _simple(schema: Json) -> str:
    kind = str(schema.get("type", "any JSON"))
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(kind, kind)
    if "maximum" in schema:
        words += f" {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        words += f" of up to {schema['maxLength']} characters"
    if (default := schema.get("default")) is not None:
        words += f", `{str(default).lower()}` if missing"
    return words


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _anchor(heading: str) -> str:
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "_ -")
    return kept.replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.exit(main())
