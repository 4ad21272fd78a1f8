"""The steps that remove a stage: everything but the database, which holds the history."""

from __future__ import annotations

from pathlib import Path

from . import alarms, deployment, inventory, logs, parameters, queues
from .cloud import Cloud, aws_errors
from .names import Names
from .plan import Plan

DATABASE_STAYS = (
    "The database of JOB_QUEUE_DB_URL stays as it is, with every job, run and log: `up` continues with it."
)


def plan_down(account: Cloud, root: Path, names: Names) -> Plan:
    """Find the resources of a stage. Changes nothing; an empty plan means that there are none.

    Raises StackError if the stage was made from the template.
    """
    with aws_errors(f"look at stage {names.stage}"):
        inventory.refuse_a_stack(account, names)
        steps = (
            *alarms.removal(account, names),
            *deployment.removal(account, names, root),
            *queues.removal(account, names),
            *parameters.removal(account, names),
            *logs.removal(account, names),
        )
    return Plan(names.stage, account.account, account.region, steps, (DATABASE_STAYS,))
