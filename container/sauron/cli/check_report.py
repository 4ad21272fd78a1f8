"""What `sauron check` prints: the good jobs, what is rejected, what to look at, and one last line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .output import moment, remark_line, show, table

Records = Sequence[Mapping[str, Any]]


def summary(jobs: Records, faults: Records, remarks: Records) -> str:
    """Return the result of a check as one sentence."""
    told = len(remarks) + sum(bool(job["missing_secrets"]) for job in jobs)
    notes = [_count(told, "remark")] if told else []
    if not jobs and any(fault["job_id"] is None for fault in faults):
        return ", ".join([f"The bundle does not load: {_count(len(faults), 'fault')}", *notes]) + "."
    if not jobs and not faults:
        return ", ".join(["The manifest registers no job", *notes]) + "."
    parts = [f"{_count(len(jobs), 'job')} {_are(len(jobs))} good"]
    if faults:
        parts.append(f"{len(faults)} {_are(len(faults))} rejected")
    return ", ".join([*parts, *notes]) + "."


def report(folder: Path, jobs: Records, faults: Records, remarks: Records) -> None:
    """Print the result of a check of the bundle in `folder`."""
    if jobs:
        table(["job", "schedule", "next run", "runs"], [_row(job) for job in jobs])
        show()
    if faults:
        show("Rejected:")
        for fault in faults:
            subject = f"{fault['job_id']}: " if fault["job_id"] else ""
            show(f"{fault['place'] or folder}: {subject}{fault['reason']}")
        show()
    lines = [remark_line(remark) for remark in remarks]
    for job in jobs:
        if job["missing_secrets"]:
            missing = ", ".join(job["missing_secrets"])
            lines.append(
                f"{job['place']}: {job['id']}: needs {missing}, not set here; set it where Sauron runs"
            )
    if lines:
        show("Remarks, which stop no job from loading:")
        for line in lines:
            show(line)
        show()
    show(summary(jobs, faults, remarks))


def _row(job: Mapping[str, Any]) -> list[str | None]:
    schedule = job["schedule_text"] if job["enabled"] else "off"
    return [job["id"], schedule, moment(job["next_run_at"]), job["entrypoint"]]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
