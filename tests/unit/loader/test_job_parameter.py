"""The one parameter of a job function gets the context only if that can be meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Optional, Protocol, TypeVar

import pytest

from sauron_jobs_loader import JobConfig, job_parameter
from sauron_jobs_loader.context import JobContext

T = TypeVar("T")


class HasState(Protocol):
    state: Any


def argv(argv: list[str]) -> None: ...
def days(days: int) -> None: ...
def arguments(arguments: Sequence[str] | None) -> None: ...
def text(ctx: str) -> None: ...
def mapping(ctx: dict[str, Any], /) -> None: ...
def config(config: JobConfig) -> None: ...


def plain(ctx) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def typed(job: JobContext) -> None: ...
def optional(job: Optional[JobContext]) -> None: ...  # noqa: UP045
def anything(ctx: Any) -> None: ...
def protocol(thing: HasState) -> None: ...
def annotated(ctx: Annotated[JobContext, "x"]) -> None: ...
def unknown(ctx: NotThere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def generic(ctx: T) -> None: ...


@pytest.mark.parametrize("func", [argv, days, arguments, text, mapping, config])
def test_a_parameter_of_another_type_is_refused_with_what_to_write(func: Callable[..., Any]) -> None:
    [fault] = JobConfig(id="job", cron="@daily", func=func).faults()
    assert f"func {func.__qualname__} takes " in fault
    assert "declare it as params and read ctx.params" in fault


@pytest.mark.parametrize(
    "func", [plain, typed, optional, anything, protocol, annotated, unknown, generic, lambda c: c]
)
def test_a_parameter_that_can_be_the_context_takes_it(func: Callable[..., Any]) -> None:
    config = JobConfig(id="job", cron="@daily", func=func)
    assert (config.faults(), config.wants_context, config.remarks()) == ([], True, [])


def given(context: str = "prod") -> None: ...
def without() -> None: ...
def several(*args: str, **kwargs: str) -> None: ...


@pytest.mark.parametrize("func", [given, without, several])
def test_a_default_of_another_type_is_kept(func: Callable[..., Any]) -> None:
    config = JobConfig(id="job", cron="@daily", func=func)
    assert (config.faults(), config.wants_context, config.remarks()) == ([], False, [])


def purge(days) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def script(argv: Any) -> None: ...


@pytest.mark.parametrize(("func", "name"), [(purge, "days"), (script, "argv")])
def test_a_name_that_no_context_has_is_remarked_with_its_place(func: Callable[..., Any], name: str) -> None:
    config = JobConfig(id="job", cron="@daily", func=func)
    [(file, line, words, cure)] = config.remarks()
    assert f"{file}:{line}" == config.place
    assert words == f"{name}, the one parameter of {func.__qualname__}, gets a JobContext"
    assert cure.startswith("name it ctx if that is meant")
    assert job_parameter.takes_context(func)
