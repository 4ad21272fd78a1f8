"""The fields of a form that are made from the JSON Schema of a job's params, and the params that they give.

What a browser has a field for is drawn as that: a choice, a box, a number, a date, a text, a list with one
value a line. Everything else is a field for JSON. The schema itself judges the params (`model/params.py`); a
field only turns text into a value of the right type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIX = "params."
LONG = 120  # letters from which a text gets several lines
_SIMPLE = ("string", "integer", "number", "boolean")
_INPUTS = {"date": "date", "email": "email", "uri": "url", "password": "password"}
_EXAMPLES = {"date-time": "2026-03-02T08:00:00Z", "time": "08:00:00Z"}
_OPEN = ("additionalProperties", "patternProperties", "unevaluatedProperties")
_DEEPEST = 20  # references that lead to references


class FieldError(Exception):
    """A param's field that holds no value of its type; `name` is the param's."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
        super().__init__(f"{name}: {why}")


class FieldsError(Exception):
    """Fields that hold no values of their types: each with the param's name and why."""

    def __init__(self, faults: Sequence[FieldError]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)))


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `kind` is checkbox, select, lines, json, or a type of `<input>`.

    `limits` are attributes of the element, `value` is what it holds at first.
    """

    name: str
    label: str
    kind: str
    hint: str
    value: str
    choices: tuple[str, ...] = ()
    required: bool = False
    limits: tuple[tuple[str, str], ...] = ()


def fields(schema: Mapping[str, Any] | None) -> list[Field]:
    """Return the fields of a schema, in its order. The last one takes other params, if others may come."""
    root = schema or {}
    required = root.get("required") or ()
    found = [_field(name, one, required=name in required) for name, one in _properties(root).items()]
    if any(root.get(word) for word in _OPEN):
        found.append(Field(PREFIX, "Other params", "json", 'a JSON object, such as {"name": 1}', ""))
    return found


def read(sent: Mapping[str, str], schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the params that a form's texts stand for; None if there are none. Raises FieldsError.

    An empty field is not a param, so that its default counts. The name "" says that the form had the params:
    then a box that was not sent is false. It may hold further params as a JSON object.
    """
    properties = _properties(schema or {})
    found: dict[str, Any] = {}
    others: dict[str, Any] = {}
    faults: list[FieldError] = []
    for name, text in sent.items():
        try:
            if name and text:
                found[name] = _value(name, text, properties.get(name, {}))
            elif text.strip():
                others = _others(text)
        except FieldError as error:
            faults.append(error)
    if faults:
        raise FieldsError(faults)
    if "" in sent:
        boxes = (name for name, one in properties.items() if _is_box(one))
        found |= {name: False for name in boxes if name not in sent}
    return others | found or None


def _others(text: str) -> dict[str, Any]:
    value = _json("", text)
    if not isinstance(value, dict):
        raise FieldError("", 'write a JSON object, such as {"name": 1}')
    return value


def _properties(root: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    declared = root.get("properties")
    if not isinstance(declared, Mapping):
        return {}
    return {name: _plain(one, root) for name, one in declared.items()}


def _plain(schema: Any, root: Mapping[str, Any], deep: int = 0) -> Mapping[str, Any]:
    """Return a schema without what only wraps it: a reference, a single branch, "or null"."""
    if not isinstance(schema, Mapping) or deep > _DEEPEST:
        return {}
    if isinstance(reference := schema.get("$ref"), str) and (target := _target(reference, root)) is not None:
        return {**_plain(target, root, deep + 1), **_without(schema, "$ref")}
    for word in ("allOf", "anyOf", "oneOf"):
        branches = [_plain(one, root, deep + 1) for one in schema.get(word) or () if isinstance(one, Mapping)]
        real = [one for one in branches if one.get("type") != "null"]
        if len(real) == 1:
            empty = {"nullable": True} if len(real) < len(branches) else {}
            return {**real[0], **empty, **_without(schema, word)}
    kinds = schema.get("type")
    if isinstance(kinds, list) and len(real_kinds := [one for one in kinds if one != "null"]) == 1:
        return {**schema, "type": real_kinds[0], "nullable": "null" in kinds}
    if isinstance(schema.get("items"), Mapping):
        return {**schema, "items": _plain(schema["items"], root, deep + 1)}
    return schema


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if reference.startswith("#/") else None


def _without(schema: Mapping[str, Any], word: str) -> dict[str, Any]:
    return {name: one for name, one in schema.items() if name != word}


def _is_box(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "boolean" and not schema.get("nullable") and "enum" not in schema


def _is_list(schema: Mapping[str, Any]) -> bool:
    items = schema.get("items")
    return (
        schema.get("type") == "array"
        and isinstance(items, Mapping)
        and (items.get("type") in _SIMPLE or "enum" in items)
    )


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if "const" in schema:
        return (_written(schema["const"]),)
    if isinstance(choices := schema.get("enum"), list | tuple):
        return tuple(_written(one) for one in choices if one is not None)
    return ("true", "false") if schema.get("type") == "boolean" and schema.get("nullable") else ()


def _kind(schema: Mapping[str, Any]) -> str:
    if _choices(schema):
        return "select"
    if _is_box(schema):
        return "checkbox"
    if _is_list(schema):
        return "lines"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return "number"
    if kind == "string":
        most = schema.get("maxLength")
        long = "\n" in str(schema.get("default") or "") or (isinstance(most, int) and most > LONG)
        return "long" if long else _INPUTS.get(str(schema.get("format")), "text")
    return "text" if _takes_text(schema) else "json"


def _field(name: str, schema: Mapping[str, Any], *, required: bool) -> Field:
    kind, default = _kind(schema), schema.get("default")
    value = "" if default is None else _written(default)
    if kind == "lines" and isinstance(default, list):
        value = "\n".join(map(_written, default))
    hints = [*_hints(kind, schema), str(schema.get("description") or "")]
    return Field(
        name=f"{PREFIX}{name}",
        label=name,
        kind=kind,
        hint="; ".join(part for part in hints if part),
        value=value,
        choices=_choices(schema),
        required=required and default is None and kind != "checkbox",
        limits=tuple(_limits(kind, schema)),
    )


def _hints(kind: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a value must be like, in words: a browser shows no limits before it refuses."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None or high is not None:
        yield f"at least {low}" if low is not None else f"at most {high}"
    if (above := schema.get("exclusiveMinimum")) is not None:
        yield f"more than {above}"
    if (below := schema.get("exclusiveMaximum")) is not None:
        yield f"less than {below}"
    if (step := schema.get("multipleOf")) is not None:
        yield f"a multiple of {step}"
    if pattern := schema.get("pattern"):
        yield f"must match {pattern}"
    if example := _EXAMPLES.get(str(schema.get("format"))):
        yield f"such as {example}"
    if kind == "lines":
        among = _choices(schema["items"])
        yield f"one a line, of {', '.join(among)}" if among else "one a line"
    if kind == "json":
        yield "JSON"


def _limits(kind: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if kind == "number":
        whole = schema.get("type") == "integer"
        yield "step", str(schema.get("multipleOf") or ("1" if whole else "any"))
        for attribute, word in (("min", "minimum"), ("max", "maximum")):
            if word in schema:
                yield attribute, str(schema[word])
    if kind in {"text", "long", "email", "url", "password"}:
        for attribute, word in (("minlength", "minLength"), ("maxlength", "maxLength")):
            if isinstance(schema.get(word), int):
                yield attribute, str(schema[word])


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    choices = schema.get("enum") or ()
    if choices or "const" in schema:
        known = {_written(one): one for one in (schema["const"],)} if "const" in schema else {}
        return (known | {_written(one): one for one in choices}).get(text, text)
    if kind == "boolean":
        return {"null": None}.get(text, text.lower() in {"on", "true", "1", "yes"})
    if _is_list(schema) and not text.lstrip().startswith("["):
        return [_item(name, line.strip(), schema["items"]) for line in text.splitlines() if line.strip()]
    return text.replace("\r\n", "\n") if _takes_text(schema) else _of_json(name, text, schema)


def _of_json(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    """Return the value that JSON stands for; where the schema asks for nothing else, the text itself."""
    try:
        return _json(name, text)
    except FieldError:
        kind = schema.get("type")
        if kind in ("integer", "number"):
            raise FieldError(name, f"{text:.80} is not a number") from None
        if schema and (kind in ("array", "object") or text.lstrip()[:1] in ("{", "[")):
            raise
        return text


def _item(name: str, line: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(line.lower(), line)
    return _value(name, line, schema)


def _json(name: str, text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # NaN and infinity are not JSON
    except (ValueError, RecursionError) as error:
        where = f" ({error})" if isinstance(error, json.JSONDecodeError) else ""
        raise FieldError(name, f"{text:.80} is not JSON{where}; write a list or an object") from None
    else:
        return value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _takes_text(schema: Mapping[str, Any]) -> bool:
    """Whether a value may be a text: then it is taken as written, also where it looks like a number."""
    kind = schema.get("type")
    branches = [
        one for name in ("anyOf", "oneOf") for one in schema.get(name) or () if isinstance(one, Mapping)
    ]
    return "string" in (kind if isinstance(kind, list) else [kind]) or any(map(_takes_text, branches))
