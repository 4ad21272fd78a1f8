"""Every public name of the earlier modules can be imported: one that is missing stops a whole manifest."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

PACKAGE = "sauron_jobs_loader.compat.zerg"
SCHEDULER = [
    "GitSyncService",
    "load_jobs_manifest",
    "register_all_jobs",
    "run_git_sync_loop",
    "set_git_sync_service",
]
NAMES = {
    "jobs": [
        *("JobConfig", "JobRegistry", "get_manifest_metadata", "job_registry"),
        *("GitSyncError", "get_git_sync_service"),
        *SCHEDULER,
    ],
    "jobs.context": ["JobContext"],
    "jobs.git_sync": [
        *("GitSyncError", "GitSyncService", "get_git_sync_service", "run_git_sync_loop"),
        "set_git_sync_service",
    ],
    "jobs.loader": ["get_manifest_metadata", "load_jobs_manifest"],
    "jobs.ops_db": [
        *("close_pool", "emit_job_run", "emit_job_run_fire_and_forget", "emit_job_run_with_timeout"),
        *("get_job_queue_db_url", "get_pool", "get_scheduler_name", "is_job_queue_db_enabled"),
    ],
    "jobs.registry": [
        *("JobConfig", "JobRegistry", "JobRunResult", "SecretField", "job_registry", "register_all_jobs"),
    ],
    "shared": [
        *("SSHResult", "run_ssh_command", "send_alert_email", "send_digest_email", "send_email"),
        "test_ssh_connection",
    ],
    "shared.email": [
        *("send_alert_email", "send_digest_email", "send_email", "send_job_failure_alert"),
        "send_reply_email",
    ],
    "shared.ssh": ["SSHResult", "run_ssh_command", "test_ssh_connection", "SSH_KEY_PATH", "DEFAULT_TIMEOUT"],
}


def module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


@pytest.mark.parametrize(("where", "name"), [(where, name) for where in NAMES for name in NAMES[where]])
def test_the_name_is_there(where: str, name: str) -> None:
    assert hasattr(module(where), name)
    assert name in module(where).__all__


def test_a_name_is_one_thing_wherever_it_is_imported_from() -> None:
    for name in ("JobConfig", "JobRegistry", "job_registry", "register_all_jobs"):
        assert getattr(module("jobs"), name) is getattr(module("jobs.registry"), name)
    assert module("jobs").get_manifest_metadata is module("jobs.loader").get_manifest_metadata
    for name in NAMES["shared"]:
        where = "shared.email" if name.startswith("send_") else "shared.ssh"
        assert getattr(module("shared"), name) is getattr(module(where), name)


@pytest.mark.parametrize("name", SCHEDULER)
def test_a_part_of_the_earlier_scheduler_imports_and_says_that_its_call_is_to_be_removed(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"{name}\(\) was a part .* Remove the call"):
        getattr(module("jobs"), name)()


def test_no_git_sync_runs_in_the_process_of_a_job() -> None:
    assert module("jobs").get_git_sync_service() is None


def test_a_result_of_a_job_and_a_declared_secret_have_their_fields() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    made = module("jobs.registry").JobRunResult("j", "success", at, at, 12)
    assert [field.name for field in fields(made)] == [
        *("job_id", "status", "started_at", "ended_at", "duration_ms", "result", "error", "error_type"),
    ]
    assert (made.result, made.error, made.error_type) == (None, None, None)
    assert module("jobs.registry").SecretField(key="TOKEN", label="Token") == {
        "key": "TOKEN",
        "label": "Token",
    }


def test_what_is_awaited_there_can_be_awaited_here() -> None:
    assert asyncio.run(module("jobs.ops_db").close_pool()) is None
