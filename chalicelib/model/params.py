"""The params of a run against the JSON Schema that its job declares.

Asked is what the run will use: the defaults of the schema's top level, and over them what was sent. Formats
are asserted, and a name that the schema does not declare is a fault unless the schema says that others may
come (`additionalProperties` and the like). References are resolved inside the schema only.

Limit: of a pydantic model this is its schema, without the model's own validators.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

_OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames")
_BRANCHES = ("allOf", "anyOf", "oneOf")


def faults(
    schema: Mapping[str, Any], params: Mapping[str, Any] | None, *, of_model: bool = False
) -> list[str]:
    """Return what is wrong with params, one line a fault: the path, and what is expected there.

    `of_model`: the schema stands for a pydantic model, which reads times more leniently than JSON Schema.
    """
    import jsonschema  # here and below: what asks for no params does not load it

    from .formats import FORMATS, LENIENT

    used = {**defaults(schema), **(params or {})}
    formats = LENIENT if of_model else FORMATS
    found = _errors(jsonschema.validators.validator_for(schema), dict(schema), used, formats)
    found.sort(key=lambda error: [str(part) for part in error.absolute_path])
    return [f"{_path(error)}: {error.message}" for error in found] or list(_unknown_names(schema, used))


def defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a schema's top level: what a run of the schedule uses."""
    properties = schema.get("properties")
    pairs = properties.items() if isinstance(properties, Mapping) else ()
    return {name: one["default"] for name, one in pairs if isinstance(one, Mapping) and "default" in one}


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Return why this is not a schema that params can be held against, or None."""
    import jsonschema
    import referencing.exceptions

    try:
        jsonschema.validators.validator_for(schema).check_schema(dict(schema))
        faults(schema, {})
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "params"
        return (
            f"params is not a valid JSON Schema: {where}: {error.message}."
            " Write a JSON Schema, or a pydantic model."
        )
    except referencing.exceptions.Unresolvable as error:
        return f"params refers to {error.ref!r}, which is not in the schema. Write it out under $defs."
    return None


def _errors(kind: Any, schema: Mapping[str, Any], params: Any, formats: Any) -> list[Any]:
    import referencing

    validator = kind(schema, registry=referencing.Registry(), format_checker=formats)
    return list(validator.iter_errors(params))


def _path(error: Any) -> str:
    return "/".join(str(part) for part in error.absolute_path) or "params"


def _unknown_names(schema: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[str]:
    """Yield a fault for each name that no part of the schema declares.

    The newest draft knows which names were declared, through references and branches too; earlier drafts
    have the same words for them.
    """
    if '"properties"' not in json.dumps(schema):
        return  # any object will do
    import jsonschema

    closed = {name: value for name, value in _closed(schema).items() if name != "$schema"}
    try:
        found = _errors(jsonschema.Draft202012Validator, closed, params, None)
    except Exception:  # noqa: BLE001 - an earlier draft's schema may be none of the newest
        return
    for error in found:
        if error.validator == "unevaluatedProperties":
            known = sorted(set(_declared(error.schema, schema)))
            for name in sorted(set(error.instance) - set(known)):
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known) or 'none'}."
                yield f"{_path(error)}: there is no parameter {name!r}. {hint}"


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that takes no undeclared names, in itself and in the objects it writes out."""
    closed = dict(schema)
    if not any(word in schema for word in _OPEN) and '"properties"' in json.dumps(schema):
        closed["unevaluatedProperties"] = False
    if isinstance(inner := schema.get("properties"), Mapping):
        closed["properties"] = {
            name: _closed(one) if isinstance(one, Mapping) else one for name, one in inner.items()
        }
    if isinstance(items := schema.get("items"), Mapping):
        closed["items"] = _closed(items)
    return closed


def _declared(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the names that an object's schema declares, in its branches and behind its references too."""
    if not isinstance(schema, Mapping) or depth > 20:  # noqa: PLR2004 - a reference may lead back to itself
        return
    if isinstance(own := schema.get("properties"), Mapping):
        yield from map(str, own)
    for word in _BRANCHES:
        for branch in schema.get(word) or ():
            yield from _declared(branch, root, depth + 1)
    for word in ("if", "then", "else"):
        yield from _declared(schema.get(word), root, depth + 1)
    if isinstance(reference := schema.get("$ref"), str):
        yield from _declared(referred(reference, root), root, depth + 1)


def referred(reference: str, root: Mapping[str, Any]) -> Any:
    """Return what a reference such as `#/$defs/Place` names inside a schema, or None."""
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found
