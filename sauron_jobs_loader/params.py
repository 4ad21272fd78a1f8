"""The params that a job declares: checked, as JSON data, and what a pydantic model says of those of a run.

The bundle's own pydantic is used, whatever its version; this module imports none. A name that the model does
not know is a fault, unless the model says that others may come (`extra="allow"`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any


def is_model(params: object) -> bool:
    """Return whether a params declaration is a model that can be asked, and not a schema."""
    return not isinstance(params, Mapping) and callable(getattr(params, "model_validate", None))


def schema_of(declared: Any) -> dict[str, Any]:
    """Return the JSON Schema of a declaration: the dict itself, or the schema of a pydantic model."""
    if isinstance(declared, Mapping):
        return dict(declared)
    schema: dict[str, Any] = declared.model_json_schema()
    return schema


def plain(declared: Any) -> dict[str, Any] | None:
    """Return a checked declaration as JSON data; `model` says that there is a model to be asked."""
    if declared is None:
        return None
    return {"schema": schema_of(declared), **({"model": True} if is_model(declared) else {})}


def declaration_faults(declared: Any, *, shown: Callable[[Any], str]) -> list[str]:
    """Return what is wrong with a declaration; `shown` writes a value of the bundle for people.

    The runs of the schedule have no params of their own, so a model has to take none.
    """
    if declared is None:
        return []
    if not isinstance(declared, Mapping) and not callable(getattr(declared, "model_json_schema", None)):
        return [
            (
                f"params is {shown(declared)}: write a model class of pydantic 2 or newer, "
                "or a JSON Schema as a dict."
            )
        ]
    try:
        json.dumps(schema_of(declared), allow_nan=False)
    except Exception as error:  # noqa: BLE001 - a model's schema is made by the bundle's code
        return [
            (
                f"params is not a valid JSON Schema: {type(error).__name__}: {error}. "
                "Write a pydantic model, or a dict of plain values."
            )
        ]
    refused = faults(declared, {}) if is_model(declared) else []
    if not refused:
        return []
    return [
        (
            f"the schedule would run with params that do not fit: {'; '.join(refused)}. "
            "Give each field of the model a default that fits."
        )
    ]


def faults(model: Any, params: Mapping[str, Any]) -> list[str]:
    """Return what the model refuses of params, or does not know; an empty list if a run takes them.

    Code of the model that breaks instead of refusing says nothing of the params: the run may have more.
    """
    try:
        model.model_validate(dict(params))
    except Exception as error:  # noqa: BLE001 - a validator is the bundle's code
        return _lines(error) if _is_refusal(error) else []
    return _unknown(model, params) if params else []


def _is_refusal(error: Exception) -> bool:
    return callable(getattr(error, "errors", None)) and any(
        kind.__name__ == "ValidationError" for kind in type(error).__mro__
    )


def _lines(error: Any) -> list[str]:
    return [f"{_path(one['loc'])}: {one['msg']}" for one in error.errors()]


def _path(place: tuple[Any, ...]) -> str:
    return "/".join(map(str, place)) or "params"


def _unknown(model: Any, params: Mapping[str, Any]) -> list[str]:
    schema = model.model_json_schema()
    if schema.get("additionalProperties"):
        return []
    nested_open = any(one.get("additionalProperties") for one in schema.get("$defs", {}).values())
    known = _names(model)
    try:
        model.model_validate(dict(params), extra="forbid")
    except TypeError:  # a pydantic before 2.12
        return [_line((name,), known) for name in params if known and name not in known]
    except Exception as error:  # noqa: BLE001 - as above
        if not _is_refusal(error):
            return []
        refused: Any = error
        places = [one["loc"] for one in refused.errors() if one["type"] == "extra_forbidden"]
        return [_line(place, known) for place in places if len(place) == 1 or not nested_open]
    return []


def _names(model: Any) -> list[str]:
    """Return the names under which the fields of a model may come."""
    names: list[str] = []
    config = getattr(model, "model_config", {})
    own_too = config.get("populate_by_name") or config.get("validate_by_name")
    for name, field in getattr(model, "model_fields", {}).items():
        alias = getattr(field, "validation_alias", None)
        choices = getattr(alias, "choices", [alias])
        own = (name,) if alias is None or own_too else ()
        names += [one for one in (*own, *choices) if isinstance(one, str)]
    return names


def _line(place: tuple[Any, ...], known: list[str]) -> str:
    near = difflib.get_close_matches(str(place[-1]), known, n=1) if len(place) == 1 else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if len(place) == 1 and not near and known:
        hint = f" Known are {', '.join(known)}."
    return f"{_path(place[:-1])}: there is no parameter {place[-1]!r}.{hint}"
