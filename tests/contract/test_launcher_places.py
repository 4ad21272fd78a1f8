"""Where a definition and a failure are said to be: in the bundle, never in the loader."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sauron_jobs_loader
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, SHA, Runs, write_bundle, write_job

LOADER = str(Path(sauron_jobs_loader.__file__).parent)


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher()) as launcher:
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


@pytest.mark.parametrize("package", ["sauron_jobs_loader", "zerg.jobs"], ids=["new", "older"])
def test_the_place_of_a_job_is_the_line_in_the_bundle_that_registers_it(tmp_path: Path, package: str) -> None:
    names = f"from {package} import JobConfig, job_registry\n"
    register = "job_registry.register(JobConfig(id='{}', cron='* * * * *', command=['true']))\n"
    folder = write_bundle(
        tmp_path / "bundle",
        f"{names}import jobs.more\n{register.format('first')}",
        more=f"{names}\n\n{register.format('more')}",
    )
    with contextlib.closing(Launcher()) as launcher:
        jobs = launcher.boot(SHA, folder, ENVIRON).jobs
    assert {job["id"]: job["place"] for job in jobs} == {"first": "manifest.py:3", "more": "jobs/more.py:4"}


def test_the_place_of_a_job_that_is_left_out_is_in_the_bundle(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "bundle", "", "command=['true'], enabled='yes'")
    with contextlib.closing(Launcher()) as launcher:
        [rejected] = launcher.boot(SHA, folder, ENVIRON).rejected
    assert rejected.place.startswith("manifest.py:")


@pytest.mark.parametrize(
    "body",
    [
        "def run():\n    raise OSError('no disk')",
        "import asyncio\nasync def run():\n    await asyncio.sleep(0)\n    raise OSError('no disk')",
    ],
    ids=["def", "async def"],
)
def test_the_traceback_of_a_failed_job_begins_in_the_bundle(runs: Runs, body: str) -> None:
    told = runs.job(body)
    assert told.facts.result is not None
    for trace in (told.output, told.facts.result["traceback"]):
        assert "no disk" in trace
        first, *_others = [line for line in trace.splitlines() if line.lstrip().startswith("File ")]
        assert str(runs.folder / "manifest.py") in first
        assert LOADER not in trace
