"""The first steps of a new Sauron, instead of empty tables: which are done, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalice.app import Response

from chalicelib.answers.job_health import JobHealth
from chalicelib.api import status_report
from chalicelib.api.status_report import StatusReport
from chalicelib.web.zoned import Sentence
from chalicelib.wiring import Sauron

from .frame import page
from .sauron_itself import Part, last_tick


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """How far a new Sauron is: `step` is the first of three that is not done.

    `store` and `clock` say how Sauron itself is; `git` is what `/status` says of the bundle. `job` is the job
    that fires first, and when; None if none will. `off` is a job that is switched off; None if none is.
    """

    step: int
    store: str
    clock: str | Sentence
    git: Mapping[str, Any]
    job: tuple[datetime, str] | None
    off: str | None


def first_steps(
    sauron: Sauron,
    report: StatusReport,
    everything: Sequence[JobHealth],
    soon: Sequence[tuple[datetime, str]],
    *,
    has_run: bool,
) -> FirstSteps | None:
    """Return how far a Sauron is whose bundle has not run anything yet; None once a job of it has."""
    if has_run:
        return None
    jobs = [one for one in everything if not one.job.spec.builtin]
    git = status_report.git_sync(sauron.settings, report.state, report.revision)
    step = 3 if jobs else 2 if git["repo_url"] else 1
    path = sauron.store.path
    return FirstSteps(
        step=step,
        store=f"SQLite store in {path.parent}" if path else "PostgreSQL store",
        clock=last_tick(report),
        git=git,
        job=soon[0] if soon else None,
        off=next((one.job.id for one in jobs if not one.job.enabled), None),
    )


def show(steps: FirstSteps, *, troubles: list[str], notices: list[str], parts: list[Part]) -> Response:
    """Return the page of a Sauron without jobs."""
    return page(
        "first-steps.html",
        here="overview",
        steps=steps,
        troubles=troubles,
        notices=notices,
        parts=[] if all(part.well for part in parts) and not troubles else parts,
    )
