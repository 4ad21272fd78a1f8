"""Which steps take a stage down: everything but the database, which holds the history and is never touched from here."""

from __future__ import annotations

from pathlib import Path

from . import alarms, deployment, logs, parameters, queues
from .cloud import Cloud, explained
from .names import Names
from .plan import Plan

KEPT = "The database of JOB_QUEUE_DB_URL stays as it is, with every job, run and log: `up` goes on with it."


def plan(account: Cloud, root: Path, names: Names) -> Plan:
    """Find what there is of a stage. Changes nothing; an empty plan says that nothing is there."""
    with explained(f"look at stage {names.stage}"):
        steps = (
            *alarms.removal(account, names),
            *deployment.removal(account, names, root),
            *queues.removal(account, names),
            *parameters.removal(account, names),
            *logs.removal(account, names),
        )
    return Plan(names.stage, account.account, account.region, steps, (KEPT,))
