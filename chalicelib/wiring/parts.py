"""The parts of one process, and what differs between the kinds of process, as data."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.alerting.delivery import Delivery
from chalicelib.answers.questions import Questions
from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.lazy_revisions import LazyRevisions
from chalicelib.bundle.pushes import PushedSyncs
from chalicelib.bundle.service import BundleService, SyncRequests
from chalicelib.clock import Clock
from chalicelib.duties.duties import LAMBDA_UPKEEP, RUNNER_UPKEEP, Duties, Step
from chalicelib.execution.worker import Worker
from chalicelib.lifehub.publisher import Publisher
from chalicelib.operations.acts import AuditLog
from chalicelib.operations.direct import DirectRuns
from chalicelib.operations.operations import Operations
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.wakeup.membership import Membership
from chalicelib.wakeup.notify import Notifier
from chalicelib.wakeup.peers import Peers
from chalicelib.wakeup.signals import Signals
from chalicelib.wakeup.sqs import SqsWakeUp
from chalicelib.wakeup.vitals import Vitals
from chalicelib.wakeup.waker import Waker


@dataclass(frozen=True, slots=True)
class Runtime:
    """What kind of process this is. `threads`: it has a clock and workers, and preloads the bundle."""

    name: str
    threads: bool
    upkeep: tuple[Step, ...]


RUNNER = Runtime("runner", threads=True, upkeep=RUNNER_UPKEEP)
LAMBDA = Runtime("lambda", threads=False, upkeep=LAMBDA_UPKEEP)
COMMAND_LINE = Runtime("command line", threads=False, upkeep=())


@dataclass(frozen=True, slots=True)
class Sauron:
    """The parts of one process. It has no behaviour but `close`."""

    runtime: Runtime
    settings: Settings
    clock: Clock
    store: Store
    name: str  # this process's among the runners, and the owner of its leases
    peers: Peers
    notifier: Notifier | None  # None where the store is a file
    sqs: SqsWakeUp | None  # None where no Lambda works
    signals: Signals
    waker: Waker
    vitals: Vitals | None  # None in a process without threads of its own
    membership: Membership
    job_environment: JobEnvironment
    revisions: LazyRevisions
    bundle: BundleService
    sync_requests: SyncRequests
    pushed_syncs: PushedSyncs
    worker: Worker
    delivery: Delivery
    publisher: Publisher | None  # None without Life Hub
    duties: Duties
    operations: Operations
    audit_log: AuditLog
    direct_runs: DirectRuns
    questions: Questions

    def close(self) -> None:
        """End the bundle's processes and close the store."""
        self.revisions.close()
        if self.publisher is not None:
            self.publisher.close()
        self.peers.leave()
        self.store.close()
