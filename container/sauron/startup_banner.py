"""What `sauron serve` prints when it starts: where the API is, what is scheduled, how to change a job.

The first part is printed at once, the address before what has to be looked up. The second follows the first
sync, which runs in the background; if that fails, the banner prints the reason. It is printed once; later
changes are in the log and on the page.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from chalicelib import __version__
from chalicelib.answers.doctor import examine
from chalicelib.api import status_report
from chalicelib.clock import iso
from chalicelib.model.jobs import Job
from chalicelib.store import bundle, registry
from chalicelib.text import counted, safe
from chalicelib.wiring import Sauron
from chalicelib.wiring.doctor_facts import gather
from sauron_jobs_loader.masking import shown_address

from .typed_command import typed_command

JOBS_SHOWN = 20
TOLD = frozenset({"open api", "git address"})  # checks of which the banner has a line of its own


class StartupBanner:
    """The report of the start, printed in two parts."""

    def __init__(self, sauron: Sauron, url: str, *, command: str | None = None) -> None:
        """Prepare the report; `url` is the address of the page, `command` what starts the command line."""
        self._command = command or typed_command()
        self._sauron = sauron
        self._url = url
        self._started_at = sauron.membership.started_at or sauron.clock.now()
        self.complete = False

    def print_start(self) -> None:
        """Print version, address, store and bundle."""
        settings = self._sauron.settings
        store = self._sauron.store
        self._print([f"Sauron {__version__}", f"  page and API  {self._url}"])
        lines = [
            f"  store         {store.path or store.url.render_as_string(hide_password=True)}",
            f"  bundle        {self._bundle()}",
            *self._still_in_force(),
        ]
        if not settings.api_tokens:
            lines.append(
                "  open API      everyone who can reach it may run and change jobs: set SAURON_API_TOKENS"
            )
        if not settings.queue_enabled:
            lines.append("  not claiming  runs are queued but not started, because JOB_QUEUE_ENABLED is 0")
        if unwell := self._unwell():
            lines.append(f"  look at       {unwell}: {self._command} doctor")
        self._print(lines)
        self.print_schedule()

    def print_schedule(self) -> None:
        """Print the scheduled jobs as soon as the first sync has ended; does nothing before and after."""
        if self.complete:
            return
        settings = self._sauron.settings
        try:
            with self._sauron.store.read() as tx:
                state = bundle.state(tx)
                all_jobs = registry.all_jobs(tx)
        except SQLAlchemyError:  # the store is away: the next call finds it, and /ready says why
            return
        jobs = [job for job in all_jobs if not job.spec.builtin]
        # by this process, not by an earlier one
        tried = state.tried_at is not None and state.tried_at >= self._started_at
        error = state.last_error if tried else None
        if state.active_sha is None and settings.jobs_git_repo_url and not error:
            return
        self.complete = True
        lines = self._sync_failed(state.active_sha, error) if error else []
        lines += self._scheduled(jobs, state.active_sha)
        if own := sum(job.spec.builtin and job.enabled for job in all_jobs):
            beside = "  and " if jobs else ""
            lines.append(f"{beside}{counted(own, 'builtin job')}: {self._command} list --tag builtin")
        lines += [
            f"Left out: {one.get('job_id') or one.get('place') or 'a job'} ({one.get('reason')})"
            for one in state.rejected
        ]
        lines.append(
            how_to_change(
                self._command,
                settings.jobs_git_repo_url,
                status_report.followed_branch(settings, state),
                seconds=int(settings.refresh_interval.total_seconds()),
                pinned=state.pinned_ref,
                subdir=settings.jobs_git_subdir,
            )
        )
        self._print(lines)

    def _sync_failed(self, active: str | None, error: str) -> list[str]:
        if active is None:
            lines = ["Nothing is scheduled yet, because the first sync failed:", f"  {error}"]
        else:
            lines = [f"The sync failed, so revision {active[:12]} stays active:", f"  {error}"]
        if active and not self._sauron.settings.refresh_interval:
            return [*lines, f"  Fix the cause, then run {self._command} sync."]
        again = f"Sauron tries again by itself; `{self._command} sync` tries at once."
        return [*lines, f"  Fix the cause. {again}"]

    def _scheduled(self, jobs: Sequence[Job], active: str | None) -> list[str]:
        """Return the jobs of the bundle and when they fire."""
        revision = f" (revision {active[:12]})" if active else ""
        if not jobs:
            return [f"The bundle has no jobs{revision}."] if active else []
        lines = [f"Scheduled{revision}:"]
        width = max(len(job.id) for job in jobs)
        lines += [f"  {job.id:<{width}}  {self._schedule(job)}" for job in jobs[:JOBS_SHOWN]]
        if len(jobs) > JOBS_SHOWN:
            lines.append(f"  and {len(jobs) - JOBS_SHOWN} more: {self._command} list")
        return lines

    def _print(self, lines: list[str]) -> None:
        with contextlib.suppress(OSError):  # a full disk or a closed pipe is no reason to stop
            sys.stdout.write(self._sauron.settings.masked(safe("\n".join(lines))) + "\n")
            sys.stdout.flush()

    def _schedule(self, job: Job) -> str:
        coming = job.next_fires(now=self._sauron.clock.now(), count=1)
        if not coming:
            return job.spec.schedule_text if job.enabled and not job.spec.cron else "off"
        return f"{job.spec.schedule_text}; next {iso(coming[0].replace(microsecond=0))}"

    def _unwell(self) -> str:
        """Return the names of checks that found a mistake, but for what the banner says itself."""
        found = examine(gather(self._sauron.settings, self._sauron.clock, outside=False))
        return ", ".join(one.check for one in found if not one.ok and one.check not in TOLD)

    def _bundle(self) -> str:
        settings = self._sauron.settings
        if not settings.jobs_git_repo_url:
            return "none, because JOBS_GIT_REPO_URL is not set: only builtin jobs run"
        where = self._sauron.revisions.get().display_url or shown_address(settings.jobs_git_repo_url)
        folder = f", folder {settings.jobs_git_subdir}" if settings.jobs_git_subdir else ""
        return f"{where}{folder} (branch {settings.jobs_git_branch or 'main, or the default one'})"

    def _still_in_force(self) -> list[str]:
        """Say that an earlier revision is in force, which may come from another address."""
        try:
            with self._sauron.store.read() as tx:
                state = bundle.state(tx)
        except SQLAlchemyError:  # the store is away, and /ready says why
            return []
        if state.active_sha is None or state.fault is None:
            return []
        return [
            f"  in force      revision {state.active_sha[:12]} from before: the last sync activated nothing"
        ]


def how_to_change(
    command: str, url: str | None, branch: str, *, seconds: int, pinned: str | None, subdir: str | None = None
) -> str:
    """Say in one sentence how a job is added or changed; `seconds` is the interval of syncs, 0 for none."""
    if not url:
        return (
            f"To add jobs: create a bundle with {command} init DIR, and restart with JOBS_GIT_REPO_URL=DIR."
        )
    if pinned:
        return f"The bundle is pinned to {pinned}. To follow branch {branch} again: run {command} sync."
    folder = Path(url.removeprefix("file://")).expanduser()
    here = (folder / (subdir or "") / "manifest.py").is_file()
    change = f"edit it in {folder.absolute()}, commit" if here else f"push to branch {branch} of the bundle"
    wait = f" or wait at most {seconds} s" if seconds else ""
    return f"To change a job: {change}, then run {command} sync{wait}."
