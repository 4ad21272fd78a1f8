"""Settings become live objects here: the only file that names concrete classes, and the one door for container, Lambda and CLI.

`sauron()` answers the process's one Sauron and builds it on first call; importing this module opens nothing.
The object's methods are the duties and the operator's acts with their parts handed in, and wake the runners
when something became due.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from chalicelib.alerting.delivery import Delivered, Delivery
from chalicelib.alerting.messages import channels
from chalicelib.aws.dispatch import Dispatcher
from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.sync import SyncReport, rollback, sync
from chalicelib.execution.worker import Worker, run_direct
from chalicelib.lifehub.publisher import Published, Publisher
from chalicelib.model.jobs import Job
from chalicelib.model.runs import Run, Verdict
from chalicelib.scheduling.tick import TickReport, tick
from chalicelib.store.database import claim_folder
from chalicelib.store.postgres.server_clock import ServerClock
from chalicelib.store.queue import in_flight, leases
from chalicelib.wakeup.notify import Notifier
from chalicelib.wakeup.peers import Peers

from . import __version__, logs
from .alerting import incidents
from .aws import ssm
from .bundle import remote_sync
from .clock import Clock, SystemClock
from .errors import ParamsError, UnknownRevisionError, UnknownRunnerError
from .execution import rescue
from .maintenance import builtin_jobs, dead_mans_switch
from .operations import operations
from .settings import Settings, load_environ
from .store import Store, bundle, outbox, registry, runners

if TYPE_CHECKING:
    from chalicelib.bundle.revisions import Revisions

log = logs.get(__name__)

STUCK = timedelta(minutes=10)  # a run that is due for so long while nothing runs: Lambda workers do not start
INLINE_SECONDS = 15.0  # for messages and copies where no thread of ours sees to them


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
    peers: Peers
    vitals: Vitals | None = None
    started_at: datetime | None = None
    on_end: Callable[[str], None] = lambda _job_id: None  # told each job of which an attempt ended here
    on_change: Callable[[], None] = lambda: None  # told that there is something to copy

    def __post_init__(self) -> None:
        """Build the one job environment, which the loader and the answers to HTTP share."""
        self._job_environment = JobEnvironment(self.settings)

    @classmethod
    def build(cls, settings: Settings, *, clock: Clock | None = None) -> Sauron:
        """Open the store and bring it to the newest schema. Raises StoreError."""
        store = Store(settings.store_url)
        store.migrate()
        claim_folder(settings.jobs_dir)
        name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(3)}"
        beside = (
            store.path.with_name(store.path.name + ".runners")
            if store.path
            else settings.jobs_dir / "runners"
        )
        if clock is None:
            clock = SystemClock() if store.sqlite else ServerClock(store)
        return cls(settings, clock, store, name, Peers(beside))

    @cached_property
    def notifier(self) -> Notifier | None:
        """What wakes runners on other machines; None where the store is a file."""
        return None if self.store.sqlite else Notifier(self.store)

    @cached_property
    def job_environment(self) -> JobEnvironment:
        """What jobs see and what is masked, knowing the secrets that the stored jobs declare. Builds no loader."""
        with self.store.read() as tx:
            jobs = registry.with_secrets(tx)
        self._job_environment.learn(str(secret["key"]) for job in jobs for secret in job.spec.secrets or ())
        return self._job_environment

    @cached_property
    def revisions(self) -> Revisions:
        """The bundle's revisions and the processes that run its jobs."""
        from chalicelib.bundle.revisions import Revisions

        return Revisions(
            self.settings, self.job_environment, inherited_lock_fd=lambda: self.peers.lock_descriptor
        )

    @cached_property
    def worker(self) -> Worker:
        """Executes runs under this process's name."""
        return Worker(
            self.store,
            self.clock,
            self.revisions,
            owner=self.name,
            publish=self._publishes,
            on_end=self._attempt_ended,
            answers=builtin_jobs.Answers(self.store, self.clock, self.settings),
        )

    @cached_property
    def _rescuer(self) -> rescue.Rescuer:
        return rescue.Rescuer(
            self.store,
            self.clock,
            owner=self.name,
            gone=self.peers.gone,
            holds=self.worker.running_attempts.holds,
            publish=self._publishes,
        )

    def _attempt_ended(self, job_id: str) -> None:
        self.on_end(job_id)
        self.on_change()

    @property
    def _publishes(self) -> bool:
        return self.settings.life_hub_url is not None

    @cached_property
    def delivery(self) -> Delivery:
        """Sends the alerts that wait."""
        return Delivery(self.store, self.clock, self.settings, mailer=self._mailer)

    def _mailer(self) -> Any:
        from sauron_jobs_loader.toolkit.ses import Mailer

        settings = self.settings
        return Mailer(
            region=settings.aws_ses_region,
            access_key=settings.aws_ses_access_key_id,
            secret_key=settings.aws_ses_secret_access_key,
            sender=settings.from_email or "",
            endpoint_url=settings.environ.get("AWS_ENDPOINT_URL_SES")
            or settings.environ.get("AWS_ENDPOINT_URL"),
        )

    @cached_property
    def publisher(self) -> Publisher:
        """Copies to Life Hub what waits in the outbox."""
        settings = self.settings
        return Publisher(
            self.store,
            self.clock,
            url=settings.life_hub_url or "",
            scheduler=settings.scheduler_name,
            host=socket.gethostname(),
        )

    @cached_property
    def dispatcher(self) -> Dispatcher | None:
        """What tells Lambda workers of due runs; None where runners look for themselves."""
        url = self.settings.sqs_queue_url
        return None if url is None else Dispatcher(self.store, self.clock, url)

    # -- duties -------------------------------------------------------------------------------------------------------

    def tick(self) -> TickReport:
        """Turn what is due into runs."""
        report = tick(self.store, self.clock)
        if report.queued:
            self.wake()
        else:
            self._by_sqs(Dispatcher.dispatch)
        return report

    def sync(
        self, *, ref: str | None = None, accept_removals: bool = False, by: str | None = None
    ) -> SyncReport:
        """Sync now because someone asked: without `ref` an earlier pin is let go."""
        if self.settings.function:
            return self._ask_sync({"act": "sync", "ref": ref, "accept_removals": accept_removals, "by": by})
        return self._synced(
            sync(self.store, self.clock, self._loader, ref=ref, accept_removals=accept_removals, by=by)
        )

    def _ask_sync(self, detail: Mapping[str, Any]) -> SyncReport:
        """Ask the sync function: the function that answers HTTP has no time for it."""
        return remote_sync.ask(f"{self.settings.function}-sync", detail, at=self.clock.now())

    def sync_asked(self, detail: Mapping[str, Any]) -> dict[str, Any]:
        """Do, as the sync function, what another function asks, and return the report as JSON."""
        by = detail.get("by")
        if detail["act"] == "rollback":
            try:
                report = rollback(self.store, self.clock, self._loader, detail["sha"], by=by)
            except UnknownRevisionError as error:
                return {"unknown_revision": error.sha}
        else:
            removals = bool(detail.get("accept_removals"))
            report = sync(
                self.store, self.clock, self._loader, ref=detail.get("ref"), accept_removals=removals, by=by
            )
        return asdict(self._synced(report))

    def define_builtin(self) -> None:
        """See to it that the registry holds the builtin jobs of this version."""
        from sauron_jobs_loader.builtin.definitions import JOBS

        builtin_jobs.define(self.store, self.clock, self.settings, [job.record() for job in JOBS])

    def sync_if_due(self) -> SyncReport | None:
        """Sync if the interval has passed since the last try (0: never by itself, but for the first time)."""
        with self.store.read() as tx:
            state = bundle.state(tx)
        interval: timedelta = self.settings.refresh_interval
        if self._loader is None:
            return None
        # A minute's clock fires a little early or late: half a minute decides.
        early = state.tried_at is not None and self.clock.now() - state.tried_at < interval - timedelta(
            seconds=30
        )
        if state.active_sha and (early or not interval):
            if self.vitals is not None:
                self._preload(state.active_sha)
            return None
        return self._synced(sync(self.store, self.clock, self._loader, follow_pin=True))

    def rollback(self, sha: str, *, by: str | None = None) -> SyncReport:
        """Activate an earlier revision and pin it. Raises UnknownRevisionError."""
        if self.settings.function:
            return self._ask_sync({"act": "rollback", "sha": sha, "by": by})
        return self._synced(rollback(self.store, self.clock, self._loader, sha, by=by))

    @property
    def _loader(self) -> Any:
        return self.revisions if self.settings.jobs_git_repo_url else None

    def _synced(self, report: SyncReport) -> SyncReport:
        if report.success:
            self.wake()
            if self.vitals is not None and report.sha:
                self._preload(report.sha)
        return report

    def _preload(self, sha: str) -> None:
        """Have a revision loaded here, and say so once it is."""
        before = self.revisions.preloaded
        self.revisions.preload(sha)
        if self.revisions.preloaded != before:
            self._seen()

    def upkeep(self) -> None:
        """Rescue, tidy, say that this runner is here, see what is wrong, and tell the outside that all is well."""
        if isinstance(self.clock, ServerClock):
            self.clock.measure()
        self.rescue(wait=time.sleep)
        rescue.tidy(self.store, self.clock)
        self.define_builtin()
        if self.vitals is not None:
            self._seen()
        if self.review():
            self.on_end("")  # whoever sends alerts looks at once
        if self.vitals is None:
            self.deliver(most_seconds=INLINE_SECONDS)
            self.publish(most_seconds=INLINE_SECONDS)
        self._beat()
        self._by_sqs(Dispatcher.reconcile)

    def review(self, jobs: Collection[str] | None = None) -> int:
        """Open and end incidents, of these jobs or of all, and write what people are to be told; return how many changed."""
        here = self.store.path
        free = None if here is None else lambda: shutil.disk_usage(here.parent).free
        return incidents.review(self.store, self.clock, self.settings, jobs=jobs, free_bytes=free)

    def deliver(self, *, most_seconds: float | None = None) -> list[Delivered]:
        """Send the alerts that are due, channel by channel."""
        return [
            self.delivery.deliver(channel, most_seconds=most_seconds) for channel in channels(self.settings)
        ]

    def publish(self, *, most_seconds: float | None = None) -> Published | None:
        """Copy to Life Hub what waits; None where there is no Life Hub."""
        return self.publisher.publish(most_seconds=most_seconds) if self._publishes else None

    def test_alerts(self) -> list[dict[str, Any]]:
        """Send a test through every channel at once and return how each went."""
        return self.delivery.test()

    def _beat(self) -> None:
        """Ping the dead-man's switch, if tick, workers, sync and store are all fresh."""
        url = self.settings.heartbeat_url
        if url is None:
            return
        with self.store.read() as tx:
            ticked, state = runners.duty(tx, runners.TICK), bundle.state(tx)
            # the workers are Lambda's: what waits tells of them
            elsewhere = self.vitals is None and self.settings.queue_enabled
            stuck = elsewhere and in_flight.stuck(tx, since=self.clock.now() - STUCK)
        stale = dead_mans_switch.stale(
            self.clock.now(),
            last_tick=ticked[0] if ticked else None,
            workers_alive=self.vitals.workers_alive() if self.vitals else not stuck,
            bundle_configured=self.settings.jobs_git_repo_url is not None,
            last_sync=state.last_sync,
            refresh_interval=self.settings.refresh_interval,
        )
        if stale:
            log.warning("dead_mans_switch.ping_withheld", stale=stale)
        elif reason := dead_mans_switch.ping(url):
            log.warning("dead_mans_switch.ping_failed", reason=reason)

    def missing_secrets(self) -> list[dict[str, Any]]:
        """Return the jobs that lack required secrets, with their names."""
        with self.store.read() as tx:
            jobs = registry.with_secrets(tx)
        found = ((job.id, self.job_environment.missing(job.spec)) for job in jobs)
        return [{"job_id": job_id, "missing": missing} for job_id, missing in found if missing]

    def rescue(self, *, wait: Callable[[float], object] | None = None) -> None:
        """Take up the runs of runners that are gone, and forget those runners; `wait` as in `Rescuer.rescue`."""
        if self._rescuer.rescue(wait=wait):
            self.wake()
        with self.store.read() as tx:
            owners = frozenset(lease.owner for lease in leases.running(tx))
        for name in self.peers.sweep(owners):
            with self.store.write() as tx:
                runners.runner_gone(tx, name)

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
        masker = self.job_environment.masker()
        if params is not None and masker.value(params) != params:
            raise ParamsError(
                job_id,
                ["they hold the value of a secret, which would be stored; declare it in the job's `secrets`"],
            )
        run = operations.trigger(
            self.store,
            self.clock,
            job_id,
            params=params,
            reason=self._masked(reason),
            force=force,
            idempotency_key=idempotency_key,
            by=by,
        )
        self.wake()
        return run

    def enable(
        self, job_id: str, *, reason: str | None = None, until: datetime | None = None, by: str | None = None
    ) -> Job:
        """Turn a job on. Raises UnknownJobError, UntilError."""
        job = operations.switch(
            self.store, self.clock, job_id, enabled=True, reason=self._masked(reason), until=until, by=by
        )
        self._switched(job_id)
        return job

    def disable(
        self, job_id: str, *, reason: str | None = None, until: datetime | None = None, by: str | None = None
    ) -> Job:
        """Turn a job off. Raises UnknownJobError, UntilError."""
        job = operations.switch(
            self.store, self.clock, job_id, enabled=False, reason=self._masked(reason), until=until, by=by
        )
        self._switched(job_id)
        return job

    def _masked(self, words: str | None) -> str | None:
        return None if words is None else self.job_environment.masker().text(words)

    def _switched(self, job_id: str) -> None:
        self.review([job_id])
        self.wake()

    def cancel(self, run_id: str, *, by: str | None = None) -> Run:
        """End a run. Raises UnknownRunError, RunStateError."""
        run = operations.cancel(self.store, self.clock, run_id, by=by)
        self.wake()
        return run

    def retry(self, run_id: str, *, by: str | None = None) -> Run:
        """Queue a new run like one that is over. Raises UnknownRunError, RunStateError, JobDisabledError."""
        run = operations.retry(self.store, self.clock, run_id, by=by)
        self.wake()
        return run

    def run_direct(
        self, job_id: str, *, params: Mapping[str, Any] | None = None, on_output: Callable[[bytes], None]
    ) -> Verdict:
        """Execute a job in the foreground, without queue or record. Raises UnknownJobError, ParamsError, BundleError."""
        run, spec = operations.direct_run(self.store, self.clock, job_id, params=params)
        return run_direct(self.revisions, run, spec, on_output=on_output, on_state=self.worker.job_state)

    # -- this process among others ------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Let every runner of this store look at the queue now, and whoever copies look at the outbox."""
        self.on_change()
        self.peers.wake()
        if self.notifier is not None:
            self.notifier.notify()
        self._by_sqs(Dispatcher.dispatch)

    def _by_sqs(self, act: Callable[[Dispatcher], object]) -> None:
        """Do something with the queue of Lambda's workers, if there is one; what fails now is done by a later tick or upkeep."""
        if self.dispatcher is None or not self.settings.queue_enabled:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            act(self.dispatcher)
        except (BotoCoreError, ClientError, SQLAlchemyError) as error:
            log.error("dispatch.failed", reason=str(error))  # noqa: TRY400 - the reason is enough

    def message_arrived(self, run_id: str) -> None:
        """Note that the message for a run came and the run was not claimed."""
        if self.dispatcher is not None:
            self.dispatcher.arrived(run_id)

    def drain(self, name: str, *, draining: bool) -> None:
        """Have a runner claim nothing more, or claim again. Raises UnknownRunnerError."""
        with self.store.write() as tx:
            if not runners.drain(tx, name, draining=draining):
                raise UnknownRunnerError(name, [runner.name for runner in runners.all_runners(tx)])
        log.info("runner.drain_started" if draining else "runner.resumed", runner=name)
        self.wake()

    def draining(self) -> bool:
        """Say whether this runner is to claim nothing more."""
        with self.store.read() as tx:
            return runners.draining(tx, self.name)

    def join(self) -> None:
        """Be a runner: hold the lock that says so, listen for wake-ups, be shown in `/status`."""
        self.peers.join(self.name)
        self.started_at = self.clock.now()
        self.define_builtin()
        with self.store.write() as tx:
            outbox.put_jobs(tx, now=self.clock.now(), anew=True)
        self._seen()

    def leave(self) -> None:
        """Be a runner no longer."""
        with self.store.write() as tx:
            runners.runner_gone(tx, self.name)
        self.peers.leave()
        self.wake()

    def _seen(self) -> None:
        now = self.clock.now()
        started, running = self.started_at or now, self.vitals.running if self.vitals else 0
        revision = self.revisions.preloaded if "revisions" in self.__dict__ else None
        with self.store.write() as tx:
            runner = runners.Runner(
                self.name, socket.gethostname(), os.getpid(), __version__, started, now, running, revision
            )
            runners.runner_seen(tx, runner)

    def close(self) -> None:
        """End the bundle's processes and close the store."""
        if "revisions" in self.__dict__:
            self.revisions.close()
        if "publisher" in self.__dict__:
            self.publisher.close()
        self.peers.leave()
        self.store.close()


_lock = threading.RLock()
_one: Sauron | None = None
_settings: Settings | None = None


def sauron() -> Sauron:
    """Return this process's Sauron, built from the environment and `.env` on first call. Raises SettingsError, StoreError."""
    global _one  # noqa: PLW0603 - one per process, behind a lock
    with _lock:
        if _one is None:
            _one = Sauron.build(settings())
        return _one


def settings() -> Settings:
    """Return this process's settings, before anything is opened: who may not ask costs no connection. Raises SettingsError."""
    global _settings  # noqa: PLW0603 - one per process, behind a lock
    with _lock:
        if _one is not None:
            return _one.settings
        if _settings is None:
            environ = load_environ(Path.cwd())
            if path := environ.get("SAURON_SSM_PATH"):
                environ = ssm.read(path) | environ
            read = Settings.read(environ)
            if read.function:
                logs.configure(read.log_level, secrets=read.secret_values)
            _settings = read
        return _settings


def built() -> Sauron | None:
    """Return this process's Sauron if something has asked for it."""
    return _one


def use(instance: Sauron | None) -> None:
    """Make this the process's Sauron (None: build anew on the next call)."""
    global _one, _settings
    with _lock:
        _one, _settings = instance, None
