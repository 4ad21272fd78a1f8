"""What a job definition may say, and what becomes of one that says something else."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from sauron_jobs_loader import JobConfig, JobContext, definition, job_parameter
from sauron_jobs_loader.errors import DefinitionError
from sauron_jobs_loader.registry import JobRegistry

DEFAULTS: dict[str, Any] = {
    "command": None,
    "enabled": True,
    "timeout_seconds": 300,
    "max_attempts": 3,
    "tags": [],
    "project": None,
    "description": "",
    "queue_mode": True,
    "secrets": None,
    "jitter_minutes": 0,
    "timezone": "UTC",
    "overlap": "skip",
    "catchup": "latest",
    "catchup_window_seconds": 86400,
    "catchup_max": 100,
    "retry_backoff_seconds": 60,
    "alert_after": 1,
    "params": None,
    "renamed_from": None,
    "isolation": "fork",
    "after": None,
    "pool": None,
    "priority": 0,
    "memory_mb": None,
    "max_processes": None,
    "slow_after_seconds": None,
}


def run() -> None:
    """Be a job."""


def config(**fields: Any) -> JobConfig:
    return JobConfig(
        **{"id": "job", "cron": "@daily", **({} if "command" in fields else {"func": run}), **fields}
    )


def reason(**fields: Any) -> str:
    registry = JobRegistry()
    registry.register(config(**fields))
    assert registry.list_jobs() == []
    (rejected,) = registry.rejected
    return rejected.reason


def test_a_definition_has_the_defaults_of_the_manual() -> None:
    record = config().record()
    place = record.pop("place")
    assert record == {**DEFAULTS, "id": "job", "cron": "@daily", "entrypoint": f"{__name__}:run"}
    assert "test_registry.py:" in place


def test_a_record_is_json_with_secrets_and_params_normalised() -> None:
    schema = {"type": "object"}
    made = config(
        secrets=("A", {"key": "B", "required": False}),
        params=schema,
        tags=("x",),
        command=["df", "-h", "a b"],
    )
    record = made.record()
    assert json.loads(json.dumps(record)) == record
    assert record["secrets"] == [
        {"key": "A", "label": "A", "description": "", "required": True},
        {"key": "B", "label": "B", "description": "", "required": False},
    ]
    assert record["params"] == {"schema": schema}
    assert record["entrypoint"] == "command: df -h 'a b'"


def test_a_pydantic_model_becomes_its_schema() -> None:
    import pydantic

    model = pydantic.create_model("P", n=(int, 3))
    assert config(params=model).record()["params"]["schema"]["properties"]["n"]["default"] == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id": None}, "id is missing: write 1 to 64"),
        ({"id": "Daily Report"}, "id is 'Daily Report': write 1 to 64"),
        ({"id": "x" * 65}, "id is 'xxx"),
        ({"id": "../etc"}, "id is '../etc'"),
        ({"id": "job\n"}, r"id is 'job\n'"),
        ({"id": 5}, "id is 5"),
        ({"cron": None}, "cron is missing: write text such as '0 8 * * *'."),
        ({"cron": 5}, "cron is 5: write text"),
        ({"timezone": None}, "timezone is missing"),
        ({"func": None}, "func is None: write the function itself, without quotes and parentheses, such as"),
        (
            {"func": {"status": "success"}},
            "func is {'status': 'success'}: write the function",
        ),
        ({"func": run, "command": ["df"]}, "func and command are both given"),
        ({"func": "run"}, "func is 'run': write the function itself"),
        ({"func": lambda a, b: (a, b)}, "needs the arguments a, b"),
        ({"command": "df -h 'a b'"}, "write a list, ['df', '-h', 'a b']"),
        ({"command": []}, "command is []: write a list of texts"),
        ({"command": ["df", 5]}, "command is ['df', 5]"),
        (
            {"command": ["cd", "etc"], "func": None},
            "command is ['cd', 'etc']: 'cd' is a word of the shell",
        ),
        ({"command": ["df", "\0"]}, "no NUL in any word"),
        ({"enabled": "no"}, "enabled is 'no': write True or False."),
        ({"queue_mode": 1}, "queue_mode is 1"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0: write seconds above 0"),
        ({"timeout_seconds": "300"}, "timeout_seconds is '300'"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds is nan"),
        ({"max_attempts": 0}, "max_attempts is 0: write a whole number from 1."),
        ({"max_attempts": True}, "max_attempts is True"),
        ({"max_attempts": 1.5}, "max_attempts is 1.5"),
        ({"jitter_minutes": -1}, "jitter_minutes is -1: write minutes from 0."),
        ({"tags": "backup"}, "tags is 'backup': write a list of texts"),
        ({"project": 5}, "project is 5: write text."),
        ({"secrets": "API_TOKEN"}, "secrets is 'API_TOKEN': write a list of names"),
        ({"secrets": ["API TOKEN"]}, "secrets holds 'API TOKEN'"),
        ({"secrets": ["A", {"key": "A"}]}, "secrets names 'A' twice"),
        ({"overlap": "wait"}, "overlap is 'wait': write one of 'skip', 'queue', 'replace', 'allow'."),
        ({"catchup": None}, "catchup is None"),
        ({"isolation": "thread"}, "isolation is 'thread': write one of 'fork', 'spawn'."),
        ({"params": int}, "params is <class 'int'>: write a model class of pydantic 2"),
        ({"params": {"x": object}}, "params is not a valid JSON Schema"),
        ({"renamed_from": "job"}, "the present id of the job"),
        ({"renamed_from": "Old Name"}, "renamed_from is 'Old Name': write the former id of the job."),
        ({"time_zone": "UTC"}, "JobConfig has no field 'time_zone'. Did you mean 'timezone'?"),
        ({"timeout": 30}, "JobConfig has no field 'timeout'. Did you mean 'timeout_seconds'?"),
        ({"memory": 9}, "JobConfig has no field 'memory'. Did you mean 'memory_mb'?"),
        ({"backoff": 9}, "JobConfig has no field 'backoff'. Did you mean 'retry_backoff_seconds'?"),
        ({"time": 9}, "JobConfig has no field 'time'. Did you mean 'timeout_seconds' or 'timezone'?"),
        ({"zzz": 1}, "JobConfig has no field 'zzz'."),
    ],
)
def test_a_fault_names_the_field_the_value_and_what_to_write(fields: dict[str, Any], words: str) -> None:
    assert words in reason(**fields)


def test_a_job_without_work_is_told_what_is_missing() -> None:
    (fault,) = JobConfig(id="job", cron="@daily").faults()
    assert fault.startswith("neither func nor command is given")
    (fault,) = JobConfig("job", "@daily", None).faults()
    assert fault.startswith("func is None: write the function itself")


def test_all_faults_of_a_job_are_told_at_once() -> None:
    text = reason(cron=None, overlap="wait", max_attempts=-1)
    assert all(word in text for word in ("cron", "overlap", "max_attempts"))


def test_a_bad_job_never_stops_the_good_ones() -> None:
    registry = JobRegistry()

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    for bad in (
        config(id=Odd()),
        config(overlap=Odd()),
        config(tags=Odd()),
        config(func=Odd()),
        config(secrets=[Odd()]),
        Odd(),
        None,
    ):
        registry.register(bad)
    registry.register(config(id="good"))
    assert [job.id for job in registry.list_jobs()] == ["good"]
    assert len(registry.rejected) == 7


def test_the_first_of_two_jobs_with_one_id_is_kept_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    registry = JobRegistry()
    registry.register(config(description="first"))
    registry.register(config(description="second"))
    kept = registry.get("job")
    assert kept is not None
    assert kept.description == "first"
    assert "the first is kept" in registry.rejected[0].reason
    assert "left out" in caplog.text


def test_fields_may_be_given_by_position_as_older_bundles_do() -> None:
    made = JobConfig("job", "@daily", run)
    assert (made.id, made.cron, made.func, made.faults()) == ("job", "@daily", run, [])
    whole = JobConfig("job", "@daily", run, False, 1800, 2, ["ops"], "infra", "Copies", False, ["TOKEN"])
    assert whole.faults() == []
    assert whole == JobConfig(
        id="job",
        cron="@daily",
        func=run,
        enabled=False,
        timeout_seconds=1800,
        max_attempts=2,
        tags=["ops"],
        project="infra",
        description="Copies",
        queue_mode=False,
        secrets=["TOKEN"],
    )
    assert whole != made


def test_registering_answers_whether_the_job_was_taken() -> None:
    registry = JobRegistry()
    assert registry.register(config()) is True
    assert registry.register(config()) is False
    assert registry.register(config(id="NOT VALID")) is False
    assert registry.register("no job") is False


def test_a_manifest_may_take_back_and_switch_the_jobs_it_registered() -> None:
    registry = JobRegistry()
    registry.register(config(id="a"))
    registry.register(config(id="b"))
    assert (registry.unregister("a"), registry.unregister("a")) == (True, False)
    assert (registry.disable("b"), registry.disable("none")) == (True, False)
    assert [(job.id, job.enabled) for job in registry.list_jobs()] == [("b", False)]
    assert (registry.enable("b"), registry.enable("none")) == (True, False)
    assert registry.list_jobs(enabled_only=True)[0].id == "b"
    assert registry.snapshot_jobs() == {"b": config().cron}


def test_requiring_a_rejected_job_says_why_it_is_not_there() -> None:
    registry = JobRegistry()
    registry.register(config(max_attempts=0))
    with pytest.raises(DefinitionError, match="max_attempts is 0"):
        registry.require("job")
    with pytest.raises(DefinitionError, match="registers no job 'other'"):
        registry.require("other")


def test_only_enabled_jobs_are_listed_when_asked() -> None:
    registry = JobRegistry()
    registry.register(config(id="on"))
    registry.register(config(id="off", enabled=False))
    assert [job.id for job in registry.list_jobs(enabled_only=True)] == ["on"]


def _annotated(something: JobContext) -> None:
    del something


def _decorated(inner: Any) -> Any:
    @functools.wraps(inner)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("func", "takes"),
    [
        (run, False),
        (_annotated, True),
        (lambda anything: anything, True),
        (lambda ctx=None: ctx, True),
        (lambda days=7: days, False),
        (lambda *args, **kwargs: (args, kwargs), False),
        (_decorated(_annotated), True),
        (functools.partial(lambda a, b: (a, b), 1), True),
        (functools.partial(lambda a: a, 1), False),
        (print, False),
    ],
)
def test_a_function_gets_a_context_if_it_asks_for_one(func: Any, takes: bool) -> None:
    assert job_parameter.takes_context(func) is takes
    assert config(func=func).wants_context is takes


def test_what_a_job_runs_has_a_name() -> None:
    assert definition.entrypoint(functools.partial(_annotated), None) == f"{__name__}:_annotated"
    assert definition.entrypoint(_decorated(_annotated), None) == f"{__name__}:_annotated"
