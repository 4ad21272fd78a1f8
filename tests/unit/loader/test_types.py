"""mypy finds the types of the installed loader, and accepts strictly typed bundles."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sauron_jobs_loader

pytestmark = pytest.mark.process

PACKAGE = Path(sauron_jobs_loader.__file__).parent

TYPED = {
    "manifest.py": """
from jobs.report import Params, report

from sauron_jobs_loader import JobConfig, job_registry

job = JobConfig(id="report", cron="0 8 * * *", func=report, params=Params, secrets=["CRM_TOKEN"])
job_registry.register(job)
""",
    "jobs/report.py": """
from pydantic import BaseModel

from sauron_jobs_loader import JobContext
from sauron_jobs_loader.toolkit import command, email, http, progress, ssh, state


class Params(BaseModel):
    days: int = 7


def report(ctx: JobContext) -> dict[str, object]:
    with http.client(token=ctx.require_secret("CRM_TOKEN")) as crm:
        orders = crm.get("https://crm.example.org/orders").status_code
    disk: str = command.run(["df", "-h"]).output
    there = ssh.run_ssh_command("box.example.org", "uptime")
    if state.changed("disk", disk):
        email.send_email("Report", disk)
    progress.report(0.5, "half")
    ctx.state["orders"] = orders
    return {"status": "success", "orders": orders, "there": there.success}
""",
}


def mypy(bundle: Path, installed: Path) -> subprocess.CompletedProcess[str]:
    (installed / "sauron_jobs_loader").symlink_to(PACKAGE)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--explicit-package-bases",
            "--cache-dir",
            str(installed / "cache"),
            "manifest.py",
            "jobs",
        ],
        cwd=bundle,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "installed"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_the_example_bundle_is_strictly_typed(tmp_path: Path, installed: Path) -> None:
    bundle = shutil.copytree(PACKAGE / "example", tmp_path / "bundle")
    checked = mypy(bundle, installed)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_a_strict_bundle_may_use_the_whole_toolkit_and_its_mistakes_are_found(
    tmp_path: Path, installed: Path
) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "jobs").mkdir(parents=True)
    for name, text in TYPED.items():
        (bundle / name).write_text(text)
    (bundle / "jobs" / "wrong.py").write_text(
        "from sauron_jobs_loader import JobConfig\n\nJobConfig(id='a', cron=5)\n"
    )
    checked = mypy(bundle, installed)
    lines = [line for line in checked.stdout.splitlines() if "error:" in line]
    assert len(lines) == 1, checked.stdout
    assert 'jobs/wrong.py:3: error: Argument "cron" to "JobConfig" has incompatible type "int"' in lines[0]
