"""Requests made from /openapi.json, right and wrong ones, against the real server.

`make attack` makes the many that go through each value of each parameter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.outside import Serve

TOKEN = "a-token-of-some-length"
# What follows a right request although no schema can say so: the job's own params, a time that is past or
# before another one, a job that is disabled, a message of another protocol.
SETTINGS = """
[phases.coverage]
unexpected-methods = ["DELETE"]

[[operations]]
include-path-regex = "/(enable|disable|pause|trigger|rollback)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "5xx"]

[[operations]]
include-path-regex = "/(simulate|plan|mcp)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "406", "409", "422"]

[[operations]]
include-path-regex = "/retry$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]
"""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("phase", ["fuzzing", pytest.param("coverage", marks=pytest.mark.long)])
def test_no_request_made_from_the_document_is_answered_otherwise_than_it_says(
    tmp_path: Path, serve: Serve, phase: str
) -> None:
    # Nothing is executed and no git is asked, so that the requests are what takes time.
    environ = {"JOBS_GIT_REPO_URL": "", "JOB_QUEUE_ENABLED": "0", "SAURON_API_TOKENS": f"maria:admin:{TOKEN}"}
    served = serve(**environ).until_ready(Authorization=f"Bearer {TOKEN}")
    (tmp_path / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={tmp_path / 'schemathesis.toml'}"),
            *("run", f"{served.url}/openapi.json", f"--url={served.url}", "--checks=all", "--no-shrink"),
            *(f"--phases={phase}", "--max-examples=4", "--generation-deterministic"),
            *("--workers=2", "--no-color", "--suppress-health-check=all", "--warnings=off"),
            *("-H", f"Authorization: Bearer {TOKEN}"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "no issues found" in done.stdout.lower() or "passed" in done.stdout, done.stdout[-2000:]
    assert served.http.get("/health").status_code == 200
