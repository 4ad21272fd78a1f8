"""`--param`: text of a command line becomes values, by the type that is declared."""

from __future__ import annotations

from typing import Any

import click
import pytest

from sauron.cli.params import pairs, typed


def test_a_value_is_json_where_it_is_json_and_text_elsewhere() -> None:
    given = [
        "n=3",
        "on=true",
        'list=["a", 1]',
        "name=Frodo of the Nine",
        "empty=",
        "sum=1+1=2",
        "nan=NaN",
        'quoted="3"',
    ]
    assert typed(pairs(given), None) == {
        "n": 3,
        "on": True,
        "list": ["a", 1],
        "name": "Frodo of the Nine",
        "empty": "",
        "sum": "1+1=2",
        "nan": "NaN",
        "quoted": "3",
    }


def test_no_parameters_are_none() -> None:
    assert typed(pairs([]), {"properties": {"n": {"default": 1}}}) is None


@pytest.mark.parametrize(
    ("given", "named"), [(["n"], "name=value"), (["=3"], "name=value"), (["n=1", "n=2"], "twice")]
)
def test_a_parameter_without_name_or_given_twice_is_wrong_use(given: list[str], named: str) -> None:
    with pytest.raises(click.UsageError, match=named):
        pairs(given)


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
PLACES = {"properties": {"v": {"$ref": "#/$defs/V"}}, "$defs": {"V": TEXT}}


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (TEXT, "5", "5"),
        (TEXT, "true", "true"),
        (TEXT, "null", "null"),
        (TEXT, "[1]", "[1]"),
        (TEXT, '"5"', "5"),
        (TEXT | {"format": "date-time"}, "2026", "2026"),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"const": 1}, "1", 1),
        ({"anyOf": [TEXT, {"type": "null"}]}, "5", "5"),
        ({"anyOf": [TEXT, {"type": "null"}]}, "null", None),
        ({"type": ["integer", "string"]}, "5", 5),
        ({"type": ["integer", "string"]}, "1.5", "1.5"),
        (WHOLE, "5", 5),
        (WHOLE, "5.0", 5.0),
        ({"type": "number"}, "5", 5),
        ({"type": "boolean"}, "True", True),
        ({"type": "array"}, "[1]", [1]),
        ({"oneOf": [{"type": "array"}, TEXT]}, "a", "a"),
        ({}, "5", 5),
        (True, "5", 5),
    ],
)
def test_a_value_is_read_by_the_type_that_is_declared(declared: Any, text: str, value: Any) -> None:
    read = typed({"v": text}, {"properties": {"v": declared}})
    assert read == {"v": value}
    assert read is not None
    assert type(read["v"]) is type(value)


@pytest.mark.parametrize(
    "schema", [PLACES, {"$ref": "#/$defs/P", "$defs": {"P": {"properties": {"v": TEXT}}}}]
)
def test_a_type_behind_a_reference_is_found(schema: dict[str, Any]) -> None:
    assert typed({"v": "5"}, schema) == {"v": "5"}


@pytest.mark.parametrize(
    ("declared", "text", "advice"),
    [
        (WHOLE, "many", "Write a whole number, such as v=5"),
        ({"type": "number"}, "1,5", "Write a number, such as v=1.5"),
        ({"type": "boolean"}, "yes", "Write v=true or v=false"),
        ({"type": "array"}, "a,b", r"Write a JSON list, such as 'v=\[1, 2\]'"),
        ({"type": "object"}, "a", "Write a JSON object, such as 'v={"),
        ({"type": ["integer", "null"]}, "many", "Write a whole number, such as v=5 or v=null"),
    ],
)
def test_a_value_that_cannot_be_of_its_type_is_wrong_use_with_what_to_write(
    declared: Any, text: str, advice: str
) -> None:
    with pytest.raises(click.UsageError, match=f"--param v={text} does not fit. {advice}"):
        typed({"v": text}, {"properties": {"v": declared}})
