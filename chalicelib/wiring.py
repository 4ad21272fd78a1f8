"""Settings become live objects here: the only file that names concrete classes, and the one door for container, Lambda and CLI.

`sauron()` answers the process's one Sauron and builds it on first call; importing this module opens nothing. The object's
methods are the duties and the operator's acts with their parts handed in, and wake the runners when something became due.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from . import __version__, logs, operate, upkeep
from .clock import Clock, SystemClock
from .jobs import Job
from .neighbours import Neighbours
from .runs import Run, Verdict
from .settings import Settings, load_environ
from .store import Store, bundle, leases, presence
from .store.database import claim_folder
from .sync import SyncReport, rollback, sync
from .tick import TickReport, tick
from .work import Worker, run_direct

log = logs.get(__name__)


class Vitals(Protocol):
    """What is measured of the clock and the workers that run in this process."""

    def clock_alive(self) -> bool:
        """Whether the tick came round lately."""

    def workers_alive(self) -> bool:
        """Whether claims are made and leases kept."""

    @property
    def running(self) -> int:
        """How many attempts are under way."""


@dataclass
class Sauron:
    """Everything one process needs, built from settings."""

    settings: Settings
    clock: Clock
    store: Store
    name: str
    neighbours: Neighbours
    vitals: Vitals | None = None
    started_at: datetime | None = None

    @classmethod
    def build(cls, settings: Settings, *, clock: Clock | None = None) -> Sauron:
        """Open the store and bring it to the newest schema. Raises StoreError."""
        store = Store(settings.store_url)
        store.migrate()
        claim_folder(settings.jobs_dir)
        name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(3)}"
        beside = store.path.with_name(store.path.name + ".runners") if store.path else settings.jobs_dir / "runners"
        return cls(settings, clock or SystemClock(), store, name, Neighbours(beside))

    @cached_property
    def revisions(self) -> Any:
        """The bundle's revisions and the processes that run its jobs."""
        from .loading import Revisions

        return Revisions(self.settings, token=lambda: self.neighbours.lock_descriptor)

    @cached_property
    def worker(self) -> Worker:
        """Executes runs under this process's name."""
        return Worker(self.store, self.clock, self.revisions, owner=self.name)

    @cached_property
    def _rescuer(self) -> upkeep.Rescuer:
        return upkeep.Rescuer(self.store, self.clock, owner=self.name, gone=self.neighbours.gone, holds=self.worker.live.holds)

    # -- duties -------------------------------------------------------------------------------------------------------

    def tick(self) -> TickReport:
        """Turn what is due into runs."""
        report = tick(self.store, self.clock)
        if report.queued:
            self.wake()
        return report

    def sync(self, *, ref: str | None = None, accept_removals: bool = False, by: str | None = None) -> SyncReport:
        """Sync now because someone asked: without `ref` an earlier pin is let go."""
        return self._synced(sync(self.store, self.clock, self._loader, ref=ref, accept_removals=accept_removals, by=by))

    def sync_if_due(self) -> SyncReport | None:
        """Sync if the interval has passed since the last try (0: never by itself, but for the first time)."""
        with self.store.read() as tx:
            state = bundle.state(tx)
        interval: timedelta = self.settings.refresh_interval
        if self._loader is None or (not interval and state.active_sha):
            return None
        # A minute's clock fires a little early or late: half a minute decides.
        if state.active_sha and state.tried_at and self.clock.now() - state.tried_at < interval - timedelta(seconds=30):
            self.revisions.warm(state.active_sha)
            return None
        return self._synced(sync(self.store, self.clock, self._loader, follow_pin=True))

    def rollback(self, sha: str, *, by: str | None = None) -> SyncReport:
        """Activate an earlier revision and pin it. Raises UnknownRevisionError."""
        return self._synced(rollback(self.store, self.clock, self._loader, sha, by=by))

    @property
    def _loader(self) -> Any:
        return self.revisions if self.settings.jobs_git_repo_url else None

    def _synced(self, report: SyncReport) -> SyncReport:
        if report.success:
            self.wake()
            if self.vitals is not None and report.sha:
                self.revisions.warm(report.sha)
        return report

    def upkeep(self) -> None:
        """Rescue, prune, tidy, and say that this runner is here."""
        self.rescue()
        upkeep.prune(self.store, self.clock, self.settings)
        upkeep.tidy(self.store, self.clock)
        if self.vitals is not None:
            self._seen()

    def rescue(self) -> None:
        """Take up the runs of runners that are gone, and forget those runners."""
        if self._rescuer.rescue():
            self.wake()
        with self.store.read() as tx:
            owners = frozenset(lease.owner for lease in leases.running(tx))
        for name in self.neighbours.sweep(owners):
            with self.store.write() as tx:
                presence.runner_gone(tx, name)

    # -- what a person or the assistant may do ------------------------------------------------------------------------

    def trigger(
        self,
        job_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        reason: str | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
        by: str | None = None,
    ) -> Run:
        """Queue a run now. Raises as `operate.trigger`."""
        run = operate.trigger(
            self.store,
            self.clock,
            job_id,
            params=params,
            reason=reason,
            force=force,
            idempotency_key=idempotency_key,
            by=by,
        )
        self.wake()
        return run

    def enable(self, job_id: str, *, reason: str | None = None, until: datetime | None = None, by: str | None = None) -> Job:
        """Turn a job on. Raises UnknownJobError, UntilError."""
        job = operate.switch(self.store, self.clock, job_id, enabled=True, reason=reason, until=until, by=by)
        self.wake()
        return job

    def disable(self, job_id: str, *, reason: str | None = None, until: datetime | None = None, by: str | None = None) -> Job:
        """Turn a job off. Raises UnknownJobError, UntilError."""
        job = operate.switch(self.store, self.clock, job_id, enabled=False, reason=reason, until=until, by=by)
        self.wake()
        return job

    def cancel(self, run_id: str, *, by: str | None = None) -> Run:
        """End a run. Raises UnknownRunError, RunStateError."""
        run = operate.cancel(self.store, self.clock, run_id, by=by)
        self.wake()
        return run

    def retry(self, run_id: str, *, by: str | None = None) -> Run:
        """Queue a new run like one that is over. Raises UnknownRunError, RunStateError, JobDisabledError."""
        run = operate.retry(self.store, self.clock, run_id, by=by)
        self.wake()
        return run

    def run_direct(self, job_id: str, *, params: Mapping[str, Any] | None = None, on_output: Callable[[bytes], None]) -> Verdict:
        """Execute a job in the foreground, without queue or record. Raises UnknownJobError, ParamsError, BundleError."""
        run, spec = operate.direct_run(self.store, self.clock, job_id, params=params)
        return run_direct(self.revisions, run, spec, on_output=on_output, on_state=self.worker.job_state)

    # -- this process among others ------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Let every runner of this store look at the queue now."""
        self.neighbours.wake()

    def join(self) -> None:
        """Be a runner: hold the lock that says so, listen for wake-ups, be shown in `/status`."""
        self.neighbours.join(self.name)
        self.started_at = self.clock.now()
        self._seen()

    def leave(self) -> None:
        """Be a runner no longer."""
        with self.store.write() as tx:
            presence.runner_gone(tx, self.name)
        self.neighbours.leave()
        self.wake()

    def _seen(self) -> None:
        now = self.clock.now()
        started, running = self.started_at or now, self.vitals.running if self.vitals else 0
        with self.store.write() as tx:
            runner = presence.Runner(self.name, socket.gethostname(), os.getpid(), __version__, started, now, running)
            presence.runner_seen(tx, runner)

    def close(self) -> None:
        """End the bundle's processes and close the store."""
        if "revisions" in self.__dict__:
            self.revisions.close()
        self.neighbours.leave()
        self.store.close()


_lock = threading.Lock()
_one: Sauron | None = None


def sauron() -> Sauron:
    """Answer this process's Sauron, built from the environment and `.env` on first call. Raises SettingsError, StoreError."""
    global _one  # noqa: PLW0603 - one per process, behind a lock
    with _lock:
        if _one is None:
            settings = Settings.read(load_environ(Path.cwd()))
            _one = Sauron.build(settings)
        return _one


def use(instance: Sauron | None) -> None:
    """Make this the process's Sauron (None: build anew on the next call)."""
    global _one  # noqa: PLW0603 - one per process, behind a lock
    with _lock:
        _one = instance
