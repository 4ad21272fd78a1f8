"""The last line of a check says everything, and exit codes follow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sauron.cli.check_report import report, summary

JOB = {
    "id": "tidy",
    "place": "manifest.py:3",
    "enabled": True,
    "schedule_text": "at 03:30",
    "next_run_at": None,
    "entrypoint": "jobs.tidy:run",
    "missing_secrets": [],
}
FAULT = {"job_id": "backup", "place": "manifest.py:9", "reason": "cron is 5: write text."}
BROKEN = {"job_id": None, "place": None, "reason": "manifest.py:1: SyntaxError: invalid syntax"}
REMARK = {"file": "bin/go.sh", "line": None, "text": "this file is empty", "cure": "commit its content"}


@pytest.mark.parametrize(
    ("jobs", "faults", "remarks", "said"),
    [
        ([JOB], [], [], "1 job is good."),
        ([JOB] * 7, [], [], "7 jobs are good."),
        ([JOB] * 2, [FAULT], [REMARK], "2 jobs are good, 1 is rejected, 1 remark."),
        ([], [FAULT, FAULT], [REMARK] * 3, "0 jobs are good, 2 are rejected, 3 remarks."),
        ([], [BROKEN], [REMARK], "The bundle does not load: 1 fault, 1 remark."),
        ([], [], [], "The manifest registers no job."),
    ],
)
def test_the_last_line_counts_what_is_good_rejected_and_remarked(
    jobs: list[dict[str, Any]], faults: list[dict[str, Any]], remarks: list[dict[str, Any]], said: str
) -> None:
    assert summary(jobs, faults, remarks) == said


def test_a_report_names_each_thing_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    report(Path("/srv/jobs"), [JOB | {"missing_secrets": ["TOKEN"]}], [FAULT, BROKEN], [REMARK])
    assert capsys.readouterr().out.splitlines() == [
        "job   schedule  next run  runs",
        "tidy  at 03:30  -         jobs.tidy:run",
        "",
        "Rejected:",
        "manifest.py:9: backup: cron is 5: write text.",
        "/srv/jobs: manifest.py:1: SyntaxError: invalid syntax",
        "",
        "Remarks, which stop no job from loading:",
        "bin/go.sh: this file is empty; commit its content",
        "manifest.py:3: tidy: needs TOKEN, not set here; set it where Sauron runs",
        "",
        "1 job is good, 2 are rejected, 2 remarks.",
    ]


def test_a_good_bundle_has_no_headings(capsys: pytest.CaptureFixture[str]) -> None:
    report(Path(), [JOB], [], [])
    assert capsys.readouterr().out.splitlines()[2:] == ["", "1 job is good."]
