"""Params that a job declares by a pydantic model: what the model itself says."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import pydantic
import pytest

from sauron_jobs_loader import JobConfig, params


class Place(pydantic.BaseModel):
    host: str = "db1"


class Export(pydantic.BaseModel):
    when: dt.datetime | None = None
    rows: int = pydantic.Field(100, ge=1)
    table: str = pydantic.Field("orders", validation_alias=pydantic.AliasChoices("table", "tbl"))
    place: Place = Place()

    @pydantic.model_validator(mode="after")
    def _few(self) -> Export:
        if self.table == "logs" and self.rows > 10:
            raise ValueError("at most 10 rows of logs")
        return self


class Loose(pydantic.BaseModel, extra="allow"):
    n: int = 1


class Needs(pydantic.BaseModel):
    folder: str


class Nested(pydantic.BaseModel):
    needs: Needs = pydantic.Field(default_factory=dict, validate_default=True)


class Either(pydantic.BaseModel):
    a: int | None = None
    b: int | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> Either:
        if self.a is None and self.b is None:
            raise ValueError("give a or b")
        return self


class WithEnvironment(pydantic.BaseModel):
    host: str = pydantic.Field(default_factory=lambda: os.environ["ONLY_IN_THE_JOBS_OWN"])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Needs, "folder: Field required"),
        (Nested, "needs/folder: Field required"),
        (Either, "give a or b"),
        (pydantic.RootModel[list[int]], "Input should be a valid list"),
    ],
)
def test_a_schedule_whose_model_can_never_take_its_params_is_rejected_with_the_reason(
    model: Any, words: str
) -> None:
    [fault] = JobConfig("job", "@daily", func=print, params=model).faults()
    assert "the schedule would run with params that do not fit" in fault
    assert words in fault


@pytest.mark.parametrize("model", [Export, Loose, WithEnvironment])
def test_a_model_that_takes_the_params_of_its_schedule_is_kept(model: Any) -> None:
    job = JobConfig("job", "@daily", func=print, params=model)
    assert job.faults() == []
    assert job.record()["params"]["model"] is True


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"when": "2026-03-02T12:00", "rows": "5", "tbl": "users", "place": {"host": "x"}}, []),
        ({"when": "nope"}, ["when: Input should be a valid datetime"]),
        ({"table": "logs"}, ["params: Value error, at most 10 rows of logs"]),
        ({"rows": 0, "place": {"host": 5}}, ["rows: Input should be greater", "place/host: Input should"]),
        ({"rwos": 5}, ["params: there is no parameter 'rwos'. Did you mean 'rows'?"]),
        ({"place": {"hots": "x"}}, ["place: there is no parameter 'hots'."]),
    ],
)
def test_a_model_says_what_it_refuses_and_what_it_does_not_know(
    given: dict[str, Any], found: list[str]
) -> None:
    said = params.faults(Export, given)
    assert len(said) == len(found)
    assert all(one.startswith(start) for one, start in zip(said, found, strict=True)), said


def test_a_model_that_takes_any_name_knows_them_all() -> None:
    assert params.faults(Loose, {"m": 2}) == []


class Earlier:
    """A model of a pydantic that cannot be told to forbid other names."""

    model_fields = {"n": None}  # noqa: RUF012 - as pydantic has it

    @staticmethod
    def model_json_schema() -> dict[str, Any]:
        return {"properties": {"n": {}}}

    @staticmethod
    def model_validate(_given: object) -> None:
        return None


def test_an_earlier_pydantic_refuses_unknown_names_at_the_top() -> None:
    assert params.faults(Earlier, {"n": 1}) == []
    assert params.faults(Earlier, {"m": 1}) == ["params: there is no parameter 'm'. Known are n."]


class Renamed(pydantic.BaseModel):
    rows: int = pydantic.Field(100, alias="row-count")


class EitherName(Renamed, populate_by_name=True):
    pass


def test_a_field_that_has_an_alias_is_named_by_it() -> None:
    assert params.faults(Renamed, {"row-count": 5}) == []
    assert params.faults(Renamed, {"rows": 5}) == [
        "params: there is no parameter 'rows'. Known are row-count."
    ]
    assert params.faults(Renamed, {"row_count": 5}) == [
        "params: there is no parameter 'row_count'. Did you mean 'row-count'?"
    ]
    assert params.faults(EitherName, {"rows": 5}) == []
