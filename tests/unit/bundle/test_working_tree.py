"""A folder as it lies, run without git and store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bundle.working_tree import WorkingTree
from chalicelib.errors import JobSpecError, ParamsError, UnknownJobError
from chalicelib.model.runs import Verdict
from chalicelib.operations.direct import DirectRuns
from chalicelib.settings import Settings
from sauron_jobs_loader.errors import BootError
from tests.conftest import ManualClock

pytestmark = pytest.mark.process

MANIFEST = """
import os, time
from pydantic import BaseModel
from sauron_jobs_loader import JobConfig, job_registry

class Params(BaseModel):
    n: int = 3

def tell(ctx):
    ctx.state["n"] = ctx.state.get("n", 0) + ctx.params.n
    print(ctx.state["n"], sorted(ctx.state.keys()), ctx.require_secret("CRM_TOKEN") == "0123456789ab")
    print("a secret:", ctx.require_secret("CRM_TOKEN"), os.environ.get("JOBS_GIT_TOKEN"))
    return {"status": "degraded" if ctx.params.n > 9 else "success"}

def sleep():
    time.sleep(60)

job_registry.register(JobConfig(id="tell", cron="@daily", func=tell, params=Params, secrets=["CRM_TOKEN"]))
job_registry.register(JobConfig(id="slow", cron="@daily", func=sleep, timeout_seconds=0.2, enabled=False))
job_registry.register(JobConfig(id="ill", cron="@reboot", func=sleep))
job_registry.register(JobConfig(id="ill too", cron="@daily", func=sleep))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bundle"
    made.mkdir()
    (made / "manifest.py").write_text(MANIFEST)
    return made


@pytest.fixture
def tree(folder: Path, clock: ManualClock) -> Iterator[WorkingTree]:
    secrets = {"CRM_TOKEN": "0123456789ab", "JOBS_GIT_TOKEN": "not-for-jobs", "PATH": "/usr/bin:/bin"}
    made = WorkingTree(folder, Settings.read(secrets), now=clock.now)
    yield made
    made.close()


def run(tree: WorkingTree, clock: ManualClock, job_id: str, **params: Any) -> tuple[Verdict, str]:
    output: list[bytes] = []
    runs = DirectRuns(tree.find, clock, tree, tree.job_state, ask_model=tree.params_faults)
    verdict = runs.run(job_id, params=params or None, on_output=output.append)
    return verdict, b"".join(output).decode()


def test_a_job_runs_with_its_params_and_secrets_and_nothing_is_written_into_the_folder(
    tree: WorkingTree, folder: Path, clock: ManualClock
) -> None:
    shutil.copytree(folder, folder.with_name("before"))
    verdict, output = run(tree, clock, "tell")
    assert (verdict.outcome, output.splitlines()[-2:]) == (
        "succeeded",
        ["3 ['n'] True", "a secret: *** None"],
    )
    verdict, output = run(tree, clock, "tell", n=10)
    assert (verdict.outcome, output.splitlines()[-2]) == ("degraded", "13 ['n'] True")
    with pytest.raises(ParamsError, match="n"):
        run(tree, clock, "tell", n="many")
    assert [file.name for file in folder.rglob("*")] == ["manifest.py"]


def test_a_job_ends_at_its_limit_also_if_it_is_switched_off(tree: WorkingTree, clock: ManualClock) -> None:
    assert run(tree, clock, "slow")[0].outcome == "timed_out"


def test_a_job_that_is_rejected_or_not_there_is_told_with_the_reason(tree: WorkingTree) -> None:
    with pytest.raises(JobSpecError, match=r"Job 'ill' \(manifest.py:\d+\) is rejected: Cron '@reboot'"):
        tree.find("ill")
    with pytest.raises(JobSpecError, match=r"Job 'ill too' \(manifest.py:\d+\) is rejected: id is"):
        tree.find("ill too")
    with pytest.raises(UnknownJobError, match=r"There is no job 'tel'. Did you mean tell"):
        tree.find("tel")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(BootError, match=r"The bundle has no manifest.py"):
        WorkingTree(tmp_path, Settings.read({}), now=clock.now)
