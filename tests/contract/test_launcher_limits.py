"""What a job's own limits do to its processes, and what a run of a chain is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.model.runs import Outcome
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import Runs

pytestmark = pytest.mark.process

HUNGRY = """
def run():
    held = bytearray(os.urandom(1 << 20) * 200)
    time.sleep(60)
"""
FORKS = """
def run():
    children = []
    try:
        for _ in range(6):
            children.append(subprocess.Popen(["sleep", "60"]))
    except OSError:
        pass
    time.sleep(60)
"""
TOLD = """
def run(ctx):
    return ctx.parents
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as launcher:
        yield Runs(launcher, tmp_path / "bundle", spawn=False)


def test_a_tree_over_its_memory_is_ended_with_limit_and_use(runs: Runs) -> None:
    verdict = runs.job(HUNGRY, memory_mb=100).verdict
    assert (verdict.outcome, verdict.error_type) == (Outcome.FAILED, "memory_limit")
    assert "memory_mb=100: it used 2" in (verdict.error or "")


def test_a_tree_with_too_many_processes_is_ended(runs: Runs) -> None:
    verdict = runs.job(FORKS, max_processes=4).verdict
    assert (verdict.outcome, verdict.error_type) == (Outcome.FAILED, "process_limit")
    assert "max_processes=4" in (verdict.error or "")


def test_a_run_of_a_chain_is_told_of_its_parents(runs: Runs) -> None:
    parents = {"a": {"run_id": "run-0", "state": "succeeded", "result": {"rows": 3}}}
    verdict = runs.job(TOLD, parents=parents, memory_mb=500, max_processes=1).verdict
    assert (verdict.outcome, verdict.result) == (Outcome.SUCCEEDED, parents)
