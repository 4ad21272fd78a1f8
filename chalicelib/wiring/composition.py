"""Put one process's Sauron together, for its runtime."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib import logs
from chalicelib.alerting.delivery import Delivery
from chalicelib.answers.questions import Questions
from chalicelib.bundle.from_loader import builtin_records, mailer
from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.lazy_revisions import LazyRevisions
from chalicelib.bundle.pushes import SyncsInBackground
from chalicelib.bundle.remote_sync import RemoteBundle
from chalicelib.bundle.service import BundleService
from chalicelib.clock import Clock, SystemClock
from chalicelib.duties.duties import Duties
from chalicelib.execution.rescue import ExpiryDetector, Rescuer, StandstillDetector
from chalicelib.execution.worker import Worker
from chalicelib.lifehub.publisher import Publisher
from chalicelib.maintenance import builtin_jobs
from chalicelib.operations.acts import AuditLog
from chalicelib.operations.direct import DirectRuns
from chalicelib.operations.operations import Operations
from chalicelib.operations.requests import finder
from chalicelib.settings import Settings
from chalicelib.store import Store, permissions, registry
from chalicelib.store.postgres.server_clock import ServerClock
from chalicelib.wakeup.membership import Membership
from chalicelib.wakeup.notify import Notifier
from chalicelib.wakeup.peers import Peers, runners_folder
from chalicelib.wakeup.signals import Signals
from chalicelib.wakeup.sqs import sqs_wake_up
from chalicelib.wakeup.vitals import Vitals
from chalicelib.wakeup.waker import Waker, Way

from .doctor_facts import advice as doctor_advice
from .parts import Runtime, Sauron

if TYPE_CHECKING:
    from chalicelib.bundle.revisions import Revisions

log = logs.get(__name__)

STARTED_EMPTY = (
    "The store is new, but an older one left files here. Is it the right one? To go back to a copy: "
    "sauron restore FILE"
)


def build(settings: Settings, *, runtime: Runtime, clock: Clock | None = None) -> Sauron:
    """Open the store, bring it to the newest schema, and build what this runtime needs. Raises StoreError."""
    vitals = Vitals(clock or SystemClock(), settings.masked) if runtime.threads else None
    store = Store(settings.store_url, backups=settings.backup_dir, ca=settings.db_ca, observer=vitals)
    peers = Peers(runners_folder(store.path) if store.path else settings.jobs_dir / "runners")
    if store.file is not None:
        unclean = store.file.was_left_open and not peers.alive()
        if unclean or (runtime.threads and store.file.is_soon_examined):
            store.examine()
    new = store.migrate()
    if new and (left := _left_by_another(store, settings)):
        # Critical, so that a command says it too: whoever comes after it finds a store that is not new.
        where = str(store.path or store.url.render_as_string(hide_password=True))
        log.critical("store.started_empty", path=where, found=str(left), detail=STARTED_EMPTY)
    permissions.claim_folder(settings.jobs_dir)
    permissions.tighten([settings.jobs_dir, *(store.file.parts() if store.file else ())])
    clock = clock or (SystemClock() if store.sqlite else ServerClock(store))
    name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(3)}"

    # Who is told that runs are due.
    signals = Signals()
    notifier = None if store.sqlite else Notifier(store)
    sqs = sqs_wake_up(store, clock, settings)
    ways: list[Way | None] = [signals, peers, notifier, sqs]
    waker = Waker([way for way in ways if way is not None])
    membership = Membership(store, clock, peers, waker, name=name)

    # The bundle, and what its jobs may see.
    environment = JobEnvironment(settings)
    with store.read() as tx:
        environment.learn_from(registry.with_secrets(tx))
    revisions = LazyRevisions(lambda: _revisions(settings, environment, peers))
    bundle = BundleService(
        store,
        clock,
        settings,
        revisions,
        waker,
        on_preloaded=membership.preloaded if runtime.threads else None,
    )
    remote = RemoteBundle(settings.function, clock) if settings.function else None

    # Runs, what is done every minute, and what a person may do.
    publishes = settings.life_hub_url is not None
    worker = Worker(
        store,
        clock,
        revisions,
        owner=name,
        publish=publishes,
        on_end=signals.attempt_ended,
        on_claim=vitals.claimed if vitals else lambda: None,
        answers=builtin_jobs.Answers(store, clock, settings, advice=lambda: doctor_advice(settings, clock)),
    )
    delivery = Delivery(store, clock, settings, mailer=lambda: mailer(settings))
    publisher = _publisher(store, clock, settings)
    duties = Duties(
        store,
        clock,
        settings,
        rescuer=Rescuer(
            store,
            clock,
            StandstillDetector(clock) if store.sqlite else ExpiryDetector(store, clock),
            owner=name,
            gone=peers.gone,
            holds=worker.running_attempts.holds,
            publish=publishes,
        ),
        membership=membership,
        delivery=delivery,
        publisher=publisher,
        waker=waker,
        signals=signals,
        sqs=sqs,
        builtin=builtin_records,
        workers_alive=vitals.workers_alive if vitals else None,
        upkeep=runtime.upkeep,
    )
    operations = Operations(
        store,
        clock,
        masker=environment.request_masker,
        wake=waker.wake,
        review=duties.review,
        ask_model=revisions.params_faults,
    )
    return Sauron(
        runtime=runtime,
        settings=settings,
        clock=clock,
        store=store,
        name=name,
        peers=peers,
        notifier=notifier,
        sqs=sqs,
        signals=signals,
        waker=waker,
        vitals=vitals,
        membership=membership,
        job_environment=environment,
        revisions=revisions,
        bundle=bundle,
        sync_requests=remote or bundle,
        pushed_syncs=remote or SyncsInBackground(bundle.sync_pushed),
        worker=worker,
        delivery=delivery,
        publisher=publisher,
        duties=duties,
        operations=operations,
        audit_log=AuditLog(store, clock, masker=environment.request_masker),
        direct_runs=DirectRuns(
            finder(store), clock, revisions, worker.job_state, ask_model=revisions.params_faults
        ),
        questions=Questions(store, clock, settings, candidates=remote or bundle, missing=environment.missing),
    )


def _left_by_another(store: Store, settings: Settings) -> Path | None:
    """Return a folder that an earlier store has filled, or None."""
    folders = [settings.jobs_dir / "revisions", *([store.file.backups] if store.file else [])]
    return next((folder for folder in folders if folder.is_dir() and any(folder.iterdir())), None)


def _revisions(settings: Settings, environment: JobEnvironment, peers: Peers) -> Revisions:
    from chalicelib.bundle.revisions import Revisions

    return Revisions(settings, environment, inherited_lock_fd=lambda: peers.lock_descriptor)


def _publisher(store: Store, clock: Clock, settings: Settings) -> Publisher | None:
    if settings.life_hub_url is None:
        return None
    return Publisher(
        store,
        clock,
        url=settings.life_hub_url,
        ca=settings.db_ca,
        scheduler=settings.scheduler_name,
        host=socket.gethostname(),
    )
