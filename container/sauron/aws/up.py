"""The steps that create or update a stage, ordered so that each finds what it needs."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import SauronError, SettingsError

from . import (
    alarms,
    cloud,
    deployment,
    functions,
    inventory,
    limits,
    logs,
    package,
    parameters,
    queues,
    store,
)
from .cloud import Cloud, aws_errors
from .desired import Desired
from .names import PUBLIC_URL, Names
from .plan import Act, Plan, Report, Step


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for beyond the settings."""

    concurrency: int | None = None
    alarm_email: str | None = None
    forget: Collection[str] = ()
    again: bool = False


def check(names: Names, faults: Collection[str] = ()) -> tuple[Cloud, Path]:
    """Find the account and the checkout. Raises SettingsError with all faults, `faults` first."""
    found = list(faults)
    account = root = None
    try:
        root = package.checkout()
        package.config(root, names.stage, {})
    except SauronError as error:
        found.append(str(error))
    try:
        account = cloud.connect()
    except SauronError as error:
        found.append(str(error))
    if found or account is None or root is None:
        raise SettingsError(found)
    return account, root


def plan_up(account: Cloud, root: Path, names: Names, wants: Desired, request: Request) -> Plan:
    """Compare the settings with what AWS has. Changes nothing.

    Raises AwsError, StoreError, and StackError if the stage was made from the template.
    """
    migration = store.step(wants.store_url, wants.db_ca)
    with aws_errors(f"look at stage {names.stage}"):
        inventory.refuse_a_stack(account, names)
        has = parameters.stored(account, names)
        secrets = parameters.steps(account, names, wants.secrets, has, request.forget)
        shipped = deployment.Deployment(account, names, root, wants.variables, frozenset(wants.secrets))
        deploys = shipped.step(
            again=request.again, secrets_change=any(step.act is not Act.KEEP for step in secrets)
        )
        begins = deploys.act is not Act.KEEP
        limited, about = limits.steps(
            account,
            names,
            request.concurrency,
            limits.room(account, store.connections(wants.store_url, wants.db_ca)),
            deploys=begins,
        )
        steps = [
            *queues.steps(account, names),
            *secrets,
            migration,
            *logs.steps(account, names),
            deploys,
            *_address(account, names, wants, has),
            functions.step(account, names, shipped.digest, deploys=begins),
            *limited,
            *alarms.steps(account, names, request.alarm_email),
        ]
    notes = [*wants.notes, *package.about_python(sys.version_info[:2]), *about]
    if not any(step.what.startswith("topic ") for step in steps):
        outside = "SAURON_HEARTBEAT_URL" in wants.secrets | wants.variables
        notes.append(
            "The outside monitor alone notices when Sauron's clock stops. Give --alarm-email ADDRESS as well."
            if outside
            else "No one is notified when Sauron's clock stops. Give --alarm-email ADDRESS, or set "
            "SAURON_HEARTBEAT_URL."
        )
    return Plan(names.stage, account.account, account.region, tuple(steps), tuple(notes))


def address(account: Cloud, names: Names) -> str | None:
    """Return the address of the API, None when there is none."""
    api = inventory.rest_api(account, names)
    return inventory.api_url(account, api) if api else None


def _address(
    account: Cloud, names: Names, wants: Desired, has: dict[str, parameters.Parameter]
) -> list[Step]:
    """Return the step that stores the API's address for the links in alerts; known only after deploying."""
    if PUBLIC_URL in wants.variables:
        return []
    url = address(account, names)
    if url:
        known = parameters.step(account, names, PUBLIC_URL, url, has)
        return [Step(known.act, f"address {url}", known.why, known.do)]

    def do(_report: Report) -> None:
        if made := address(account, names):
            parameters.put(account, names, PUBLIC_URL, made)

    return [Step(Act.CREATE, "address for the links in alerts", do=do)]
