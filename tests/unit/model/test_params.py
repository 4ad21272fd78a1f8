"""Params against a declared schema: what is refused, and what a run takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.errors import JobSpecError, ParamsError
from chalicelib.model.jobs import BUNDLE, Job, JobSpec
from chalicelib.operations.requests import check_params
from tests.conftest import START, job_record


def job(schema: dict[str, Any], **more: Any) -> Job:
    spec = JobSpec.from_record(job_record("job", "@daily", params={"schema": schema, **more}))
    return Job(spec, BUNDLE, "a" * 40, True, None, START, None, None, None)


def of(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, **more}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (of("folder", {"type": "string"}, required=["folder"]), "'folder' is a required property"),
        (of("n", {"type": "integer", "default": "3"}), "n: '3' is not of type 'integer'"),
        (of("day", {"format": "date", "default": "someday"}), "day: 'someday' is not a 'date'"),
        (of("a", {}, anyOf=[{"required": ["a"]}, {"required": ["b"]}]), "is not valid under any"),
        ({"$ref": "#/$defs/P", "$defs": {"P": {"required": ["a"]}}}, "'a' is a required property"),
        (of("n", {}, minProperties=1), "{} should be non-empty"),
        ({"type": "array"}, "{} is not of type 'array'"),
    ],
)
def test_a_schedule_whose_own_params_can_never_fit_is_rejected_with_the_reason(
    schema: dict[str, Any], words: str
) -> None:
    with pytest.raises(JobSpecError) as refused:
        job(schema).spec.check()
    assert "the schedule would run with params that do not fit" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        of("folder", {"type": "string", "default": "/"}, required=["folder"]),
        of("when", {"type": "string", "format": "date-time"}),
    ],
)
def test_a_schedule_whose_own_params_fit_is_kept(schema: dict[str, Any]) -> None:
    job(schema).spec.check()


TYPO = "there is no parameter 'hots'. Did you mean 'host'?"
HOST = {"host": {"type": "string"}}
CLOSED: list[dict[str, Any]] = [
    {"properties": HOST},
    {"$schema": "http://json-schema.org/draft-07/schema#", "properties": HOST},
    {"$ref": "#/$defs/P", "$defs": {"P": {"properties": HOST}}},
    {"allOf": [{"properties": HOST}, {"properties": {"port": {}}}]},
    {"properties": {"port": {}}, "if": {"required": ["port"]}, "else": {"properties": HOST}},
]


@pytest.mark.parametrize("schema", CLOSED)
def test_a_name_that_the_schema_does_not_declare_is_refused_with_the_nearest(schema: dict[str, Any]) -> None:
    check_params(job(schema), {"host": "db1"})
    with pytest.raises(ParamsError) as refused:
        check_params(job(schema), {"hots": "db1"})
    assert TYPO in str(refused.value)


def test_a_name_within_an_object_or_a_list_is_refused_with_its_place() -> None:
    inner = {"type": "object", "properties": HOST}
    declared = job(of("db", inner, properties={"db": inner, "all": {"type": "array", "items": inner}}))
    check_params(declared, {"db": {"host": "a"}, "all": [{"host": "b"}]})
    with pytest.raises(ParamsError) as refused:
        check_params(declared, {"db": {"hots": "a"}, "all": [{}, {"hots": "b"}]})
    assert set(refused.value.faults) == {f"db: {TYPO}", f"all/1: {TYPO}"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "minProperties": 1},
        {"properties": HOST, "additionalProperties": True},
        {"properties": HOST, "additionalProperties": {"type": "integer"}},
        {"properties": HOST, "patternProperties": {"^ho": {}}},
        {"properties": HOST, "unevaluatedProperties": True},
        {"anyOf": [{"properties": HOST}, {"additionalProperties": True}]},
    ],
)
def test_a_schema_that_says_that_other_names_may_come_takes_them(schema: dict[str, Any]) -> None:
    check_params(job(schema), {"hots": 1})


FORMATS = [
    ("date-time", "2026-03-02T12:00:00Z", "nope"),
    ("date-time", "2026-03-02t12:00:00.5+01:00", "2026-03-02T12:00:00"),
    ("date-time", "2016-12-31T23:59:60Z", "2026-13-02T12:00:00Z"),
    ("date", "2028-02-29", "2026-02-29"),
    ("time", "08:00:00Z", "25:00:00Z"),
    ("duration", "P1DT2H", "1 day"),
    ("email", "a@example.org", "a.example.org"),
    ("hostname", "db-1.example.org", "-db_1"),
    ("ipv4", "10.0.0.1", "10.0.0.256"),
    ("ipv6", "::1", "10.0.0.1"),
    ("uri", "https://example.org/a", "example.org"),
    ("uuid", "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d"),
    ("regex", "a+", "a("),
]


@pytest.mark.parametrize(("name", "right", "wrong"), FORMATS)
def test_formats_are_asserted(name: str, right: str, wrong: str) -> None:
    declared = job(of("v", {"type": ["string", "integer"], "format": name}))
    for value in (right, 7):
        check_params(declared, {"v": value})
    with pytest.raises(ParamsError, match=f"is not a '{name}'"):
        check_params(declared, {"v": wrong})


def test_a_run_that_takes_the_default_of_what_is_required_is_not_refused() -> None:
    check_params(job(of("folder", {"default": "/"}, required=["folder"])), None)


def test_a_model_is_asked_itself_and_its_schema_decides_only_where_it_cannot_be() -> None:
    declared = job(of("when", {"type": "string", "format": "date-time"}), model=True)
    asked: list[object] = []

    def takes_all(one: Job, params: Mapping[str, Any]) -> list[str]:
        asked.extend([one, params])
        return []

    check_params(declared, {"when": 5}, ask_model=takes_all)
    assert asked == [declared, {"when": 5}]
    with pytest.raises(ParamsError, match="of its own"):
        check_params(declared, {}, ask_model=lambda _job, _params: ["of its own"])
    check_params(declared, {"when": "2026-03-02T12:00"})  # pydantic reads it; RFC 3339 wants an offset
    with pytest.raises(ParamsError, match="when: 'nope' is not a 'date-time'"):
        check_params(declared, {"when": "nope"})
