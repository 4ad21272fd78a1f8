"""`--param name=value`: the text of a command line, read by the type that the job declares for the name.

Where no type is declared, and where the declared ones leave the choice, a value is JSON if it parses as JSON,
otherwise text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from chalicelib.model.params import referred

_BRANCHES = ("anyOf", "oneOf", "allOf")
_EXAMPLES = {
    "integer": "a whole number, such as {}=5",
    "number": "a number, such as {}=1.5",
    "boolean": "{}=true or {}=false",
    "array": "a JSON list, such as '{}=[1, 2]'",
    "object": "a JSON object, such as '{}={{\"a\": 1}}'",
    "null": "{}=null",
}


def pairs(parameters: Sequence[str]) -> dict[str, str]:
    """Part `k=v` texts. Raises UsageError for one without a name, and for a name given twice."""
    found: dict[str, str] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--param {text!r} has no name and value. Write --param name=value")
        if name in found:
            raise click.UsageError(f"--param {name} is given twice")
        found[name] = value
    return found


def typed(texts: Mapping[str, str], schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Read each value by its type in a job's schema; return None if there are no values.

    Raises UsageError with what to write for one that cannot be of its type.
    """
    declared = _properties(schema or {})
    return {
        name: _value(name, text, declared.get(name), schema or {}) for name, text in texts.items()
    } or None


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of the parameters, those behind a reference and in branches too."""
    found: dict[str, Any] = {}
    for part in _parts(schema, schema):
        if isinstance(own := part.get("properties"), Mapping):
            found |= own
    return found


def _parts(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and what it is made of."""
    if not isinstance(schema, Mapping) or depth > 20:  # noqa: PLR2004 - a reference may lead back to itself
        return
    yield schema
    if isinstance(reference := schema.get("$ref"), str):
        yield from _parts(referred(reference, root), root, depth + 1)
    for word in _BRANCHES:
        for branch in schema.get(word) or ():
            yield from _parts(branch, root, depth + 1)


def _types(schema: Any, root: Mapping[str, Any]) -> set[str]:
    """Return the types that a value may have; none if the schema leaves it open."""
    found: set[str] = set()
    for part in _parts(schema, root):
        named = part.get("type")
        found |= {named} if isinstance(named, str) else set(named or ())
        values = [*(part.get("enum") or ()), *([part["const"]] if "const" in part else ())]
        found |= {one for value in values for one in _types_of(value)[:1]}
    return found


def _types_of(value: Any) -> list[str]:
    """Return the types of JSON Schema that a value has, the narrowest first."""
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["boolean"]
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return ["integer", "number"]
    if isinstance(value, float):
        return ["number"]
    return ["string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"]


def _value(name: str, text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    guess, types = _guess(text), _types(schema, root)
    if not types:
        return guess
    if types <= {"string", "null"}:
        # quotes as JSON has them were needed once to say that a value is text
        return guess if isinstance(guess, str) or (guess is None and "null" in types) else text
    if types & set(_types_of(guess)):
        return guess
    if "string" in types:
        return text
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    wanted = " or ".join(_EXAMPLES[one].format(name, name) for one in sorted(types) if one in _EXAMPLES)
    raise click.UsageError(f"--param {name}={text} does not fit. Write {wanted}")


def _guess(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)  # JSON has no NaN: that is text
    except (ValueError, RecursionError):
        return text
