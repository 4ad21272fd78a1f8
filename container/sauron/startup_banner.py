"""What `sauron serve` says at its start: where the API is, what is scheduled, and how to change a job.

The first part is said at once. The second waits for the first sync, which the clock does in the background;
if that fails it is said why nothing is scheduled. It is said once; after that the log and the page speak.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chalicelib import __version__
from chalicelib.clock import iso
from chalicelib.model.jobs import Job
from chalicelib.store import bundle, registry
from chalicelib.wiring import Sauron

MOST = 20


class Welcome:
    """The start's report, said in two parts."""

    def __init__(self, sauron: Sauron, url: str) -> None:
        """Prepare to say it; `url` is where the page is."""
        self._sauron = sauron
        self._url = url
        self._began = sauron.started_at or sauron.clock.now()
        self.complete = False

    def begin(self) -> None:
        """Say what is known before anything was synced."""
        settings = self._sauron.settings
        store = self._sauron.store
        lines = [
            f"Sauron {__version__}",
            f"  page and API  {self._url}",
            f"  store         {store.path or store.url.render_as_string(hide_password=True)}",
            f"  bundle        {self._bundle()}",
        ]
        if not settings.api_tokens:
            lines.append(
                "  open API      anyone who reaches it may run and change jobs: set SAURON_API_TOKENS"
            )
        if not settings.queue_enabled:
            lines.append("  not claiming  runs are queued and not started, because JOB_QUEUE_ENABLED is 0")
        self._say(lines)
        self.go_on()

    def go_on(self) -> None:
        """Say what is scheduled as soon as that is known."""
        if self.complete:
            return
        settings = self._sauron.settings
        with self._sauron.store.read() as tx:
            state = bundle.state(tx)
            every = registry.all_jobs(tx)
        jobs = [job for job in every if not job.spec.builtin]
        # by this process, not by an earlier one
        tried = state.tried_at is not None and state.tried_at >= self._began
        error = state.last_error if tried else None
        if state.active_sha is None and settings.jobs_git_repo_url and not error:
            return
        self.complete = True
        lines = []
        if state.active_sha is None and error:
            lines += ["Nothing is scheduled yet, because the first sync failed:", f"  {error}"]
            lines.append("  Set that right; the next try comes by itself, or at once by `sauron sync`.")
        if state.active_sha and jobs:
            lines.append(f"Scheduled (revision {state.active_sha[:12]}):")
        width = max((len(job.id) for job in jobs), default=0)
        for job in jobs[:MOST]:
            lines.append(f"  {job.id:<{width}}  {self._plan(job)}")
        if len(jobs) > MOST:
            lines.append(f"  and {len(jobs) - MOST} more: sauron list")
        if own := sum(job.spec.builtin and job.enabled for job in every):
            lines.append(f"  and {own} of Sauron's own: sauron list --tag builtin")
        lines += [f"Left out: {one.get('job_id')} ({one.get('reason')})" for one in state.rejected]
        lines.append(self._how())
        self._say(lines)

    def _say(self, lines: list[str]) -> None:
        sys.stdout.write(self._sauron.settings.masked("\n".join(lines)) + "\n")
        sys.stdout.flush()

    def _plan(self, job: Job) -> str:
        from chalicelib.cron.describe import describe

        coming = job.next_fires(now=self._sauron.clock.now(), count=1)
        if not coming:
            return "off"
        return f"{describe(job.spec.cron, job.spec.timezone)}; next {iso(coming[0].replace(microsecond=0))}"

    def _bundle(self) -> str:
        settings = self._sauron.settings
        if not settings.jobs_git_repo_url:
            return "none, because JOBS_GIT_REPO_URL is not set: only builtin jobs run"
        return f"{self._sauron.revisions.display_url} (branch {settings.jobs_git_branch})"

    def _how(self) -> str:
        settings = self._sauron.settings
        url = settings.jobs_git_repo_url
        if not url:
            return "To have jobs: sauron init DIR writes a bundle; start again with JOBS_GIT_REPO_URL=DIR."
        folder = Path(url.removeprefix("file://")).expanduser()
        seconds = int(settings.refresh_interval.total_seconds())
        later = f"wait (at most {seconds} s)" if seconds else "nothing happens before that"
        if (folder / "manifest.py").is_file():
            return (
                f"To change a job: edit it in {folder.absolute()}, commit, then run sauron sync, or {later}."
            )
        return f"To change a job: push to branch {settings.jobs_git_branch} of the bundle, then run sauron sync, or {later}."
