from __future__ import annotations

from typing import Any

import pytest

from chalicelib.api.pages.param_fields import Field, FieldsError, fields, read

COLOURS = {"$defs": {"Colour": {"enum": ["red", "blue"], "type": "string"}}}


def only(schema: Any, **more: Any) -> Field:
    (field,) = fields({"properties": {"x": schema}, **more})
    return field


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 5000}, "long"),
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "string", "format": "uri"}, "url"),
        ({"type": "string", "format": "date-time"}, "text"),
        ({"type": "integer"}, "number"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "number"),
        ({"type": ["number", "null"]}, "number"),
        ({"type": "boolean"}, "checkbox"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "select"),
        ({"enum": ["a", 1]}, "select"),
        ({"const": "a"}, "select"),
        ({"$ref": "#/$defs/Colour"}, "select"),
        ({"allOf": [{"$ref": "#/$defs/Colour"}], "default": "red"}, "select"),
        ({"type": "array", "items": {"type": "integer"}}, "lines"),
        ({"type": "array", "items": {"$ref": "#/$defs/Colour"}}, "lines"),
        ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "object"}, "json"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "text"),
        ({"anyOf": [{"type": "integer"}, {"type": "array"}]}, "json"),
        ({"$ref": "#/$defs/Nobody"}, "json"),
        (True, "json"),
    ],
)
def test_a_field_fits_what_the_schema_takes(schema: Any, kind: str) -> None:
    assert only(schema, **COLOURS).kind == kind


def test_a_field_says_its_limits_in_words_and_to_the_browser() -> None:
    rate = only({"type": "integer", "minimum": 1, "maximum": 9, "description": "MB", "default": 4})
    assert (rate.hint, rate.value) == ("1 to 9; MB", "4")
    assert rate.limits == (("step", "1"), ("min", "1"), ("max", "9"))
    name = only({"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^a"}, required=["x"])
    assert (name.hint, name.required) == ("must match ^a", True)
    assert name.limits == (("minlength", "2"), ("maxlength", "5"))
    hosts = only({"type": "array", "items": {"enum": ["a", "b"]}, "default": ["a", "b"]})
    assert (hosts.hint, hosts.value) == ("one a line, of a, b", "a\nb")


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "array", "items": {"type": "integer"}}, "1\r\n\r\n 2 ", [1, 2]),
        ({"type": "array", "items": {"type": "string"}}, "1\n2", ["1", "2"]),
        ({"type": "array", "items": {"type": "string"}}, '["a b"]', ["a b"]),
        ({"type": "array", "items": {"type": "boolean"}}, "true\nfalse", [True, False]),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "false", False),
        ({"enum": ["a", 1, None]}, "1", 1),
        ({"enum": ["1", 2]}, "1", "1"),
        ({"const": 3}, "3", 3),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "string", "maxLength": 500}, "a\r\nb", "a\nb"),
        ({"type": "number"}, "1.5", 1.5),
    ],
)
def test_a_field_gives_a_value_of_the_type_of_its_schema(schema: Any, text: str, value: Any) -> None:
    assert read({"x": text}, {"properties": {"x": schema}}) == {"x": value}


@pytest.mark.parametrize(
    ("schema", "text", "said"),
    [
        ({"type": "array", "items": {"type": "integer"}}, "1\nb", "b is not a number"),
        ({"type": "object"}, "a: 1", "is not JSON"),
        ({"type": "array", "items": {"type": "object"}}, "[{]", "line 1 column 3"),
        ({"type": ["integer", "null"]}, "many", "many is not a number"),
    ],
)
def test_a_text_of_another_type_is_refused_with_the_reason(schema: Any, text: str, said: str) -> None:
    with pytest.raises(FieldsError, match=said):
        read({"x": text}, {"properties": {"x": schema}})


def test_params_that_the_schema_does_not_name_have_a_field_where_others_may_come() -> None:
    schema = {"properties": {"x": {"type": "integer"}}, "additionalProperties": True}
    assert [one.name for one in fields(schema)] == ["params.x", "params."]
    assert read({"": '{"y": [1]}', "x": "2"}, schema) == {"x": 2, "y": [1]}
    with pytest.raises(FieldsError, match="JSON object"):
        read({"": "[1]"}, schema)
    assert fields(None) == []
