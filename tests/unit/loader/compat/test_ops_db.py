"""What jobs of the earlier system report about themselves: awaited or not, it neither fails nor warns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from sauron_jobs_loader.compat.zerg.jobs import ops_db

EMITTERS = [
    ops_db.emit_job_run,
    ops_db.emit_job_run_with_timeout,
    ops_db.emit_job_run_fire_and_forget,
]
AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("emit", EMITTERS)
def test_a_report_can_be_awaited_and_need_not_be(
    emit: Callable[..., Awaitable[bool]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def job() -> list[bool]:
        emit(job_id="left-alone", status="success")
        alone = await emit(job_id="awaited", status="success", duration_ms=1)
        task = asyncio.create_task(emit("as-a-task", "failure", AT, AT, 12))  # type: ignore[arg-type]
        several = await asyncio.gather(emit("first", "success"), emit("second", "success"))
        timed = await asyncio.wait_for(emit("in-time", "success"), timeout=5)
        return [alone, await task, *several, timed]

    assert asyncio.run(job()) == [True] * 5
    assert asyncio.run(emit("run-alone", "success")) is True  # type: ignore[arg-type]
    for name in ("left-alone", "awaited", "as-a-task", "first", "second", "in-time", "run-alone"):
        assert name in caplog.text


def test_there_is_no_pool_to_get_and_closing_it_is_harmless() -> None:
    async def job() -> None:
        await ops_db.close_pool()
        await ops_db.get_pool()

    with pytest.raises(NotImplementedError, match="Sauron records every run itself"):
        asyncio.run(job())


@pytest.mark.parametrize(
    ("value", "enabled"),
    [(None, True), ("", True), ("1", True), ("true", True), ("0", False), ("off", False)],
)
def test_whether_the_queue_is_on_is_what_its_setting_says(
    monkeypatch: pytest.MonkeyPatch, value: str | None, enabled: bool
) -> None:
    monkeypatch.delenv("JOB_QUEUE_ENABLED", raising=False)
    if value is not None:
        monkeypatch.setenv("JOB_QUEUE_ENABLED", value)
    assert ops_db.is_job_queue_db_enabled() is enabled


def test_the_scheduler_and_the_database_are_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOB_SCHEDULER_NAME", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert (ops_db.get_scheduler_name(), ops_db.get_job_queue_db_url()) == ("sauron", None)
    monkeypatch.setenv("JOB_SCHEDULER_NAME", "elrond")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/life")
    assert (ops_db.get_scheduler_name(), ops_db.get_job_queue_db_url()) == ("elrond", "postgresql://db/life")
