"""A short soak is clean, and one with a leak is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench.measuring import ROOT, environment
from tests.faults.conftest import Measured

pytestmark = [pytest.mark.long, pytest.mark.faults]


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a soak of a minute at a rate that a busy machine can carry."""
    return subprocess.run(
        [sys.executable, "-m", "tests.soak", "--minutes", "1", "--rate", "5", *arguments],
        cwd=ROOT,
        env=environment(ROOT),
        text=True,
        timeout=280,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def line(output: str, name: str) -> str:
    [found] = [one for one in output.splitlines() if one.startswith(name)]
    return found


def test_a_soak_notices_connections_that_are_never_closed() -> None:
    """A soak of a minute with connections that leak."""
    done = soak("--leak")
    assert done.returncode == 1, done.stdout
    assert line(done.stdout, "descriptors of the runner").endswith("GREW"), done.stdout


def test_a_short_soak_keeps_every_run_and_its_audit_is_clean(measured: Measured) -> None:
    """A soak of a minute at 5 runs a second."""
    done = soak()
    assert "faults: none" in done.stdout
    assert "runs that were acknowledged and have no end: 0" in done.stdout
    assert "audit, exit code 0" in done.stdout
    [descriptors] = [
        line for line in done.stdout.splitlines() if line.startswith("descriptors of the runner")
    ]
    assert descriptors.endswith("flat"), done.stdout
    [runs] = [one for one in done.stdout.splitlines() if one.endswith("a second")]
    measured(f"{runs}; each has an end")
