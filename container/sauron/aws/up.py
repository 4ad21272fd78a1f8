"""Which steps bring a stage up, in an order in which each finds what it needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import SauronError, SettingsError

from . import alarms, cloud, deployment, functions, inventory, logs, package, parameters, queues, store
from .cloud import Cloud, explained
from .desired import Wanted
from .names import PUBLIC_URL, Names
from .plan import Act, Plan, Step, Tell


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for beyond the settings."""

    concurrency: int | None = None
    alarm_email: str | None = None
    forget: Collection[str] = ()
    again: bool = False


def check(names: Names, faults: Collection[str] = ()) -> tuple[Cloud, Path]:
    """Find the account and the checkout. Raises SettingsError with everything that stands against it, `faults` first."""
    against = list(faults)
    account = root = None
    try:
        root = package.checkout()
        package.config(root, names.stage, {})
    except SauronError as error:
        against.append(str(error))
    try:
        account = cloud.connect()
    except SauronError as error:
        against.append(str(error))
    if against or account is None or root is None:
        raise SettingsError(against)
    return account, root


def plan(account: Cloud, root: Path, names: Names, wanted: Wanted, asked: Request) -> Plan:
    """Compare what is wanted with what there is. Changes nothing. Raises AwsError and StoreError."""
    migration = store.step(wanted.store_url)
    with explained(f"look at stage {names.stage}"):
        has = parameters.held(account, names)
        secrets = parameters.steps(account, names, wanted.secrets, has, asked.forget)
        shipped = deployment.Deployment(account, names, root, wanted.variables, frozenset(wanted.secrets))
        deploys = shipped.step(
            again=asked.again, secrets_change=any(step.act is not Act.KEEP for step in secrets)
        )
        begins = deploys.act is not Act.KEEP
        steps = [
            *queues.steps(account, names),
            *secrets,
            migration,
            *logs.steps(account, names),
            deploys,
            *_address(account, names, wanted, has),
            functions.step(account, names, shipped.digest, deploys=begins),
            functions.feeding_step(account, names, asked.concurrency, deploys=begins),
            *alarms.steps(account, names, asked.alarm_email),
        ]
    notes = list(wanted.notes)
    if not any(step.what.startswith("topic ") for step in steps):
        notes.append("Nobody is told when the clock stands still: give --alarm-email ADDRESS.")
    return Plan(names.stage, account.account, account.region, tuple(steps), tuple(notes))


def address(account: Cloud, names: Names) -> str | None:
    """Return where the API is."""
    api = inventory.rest_api(account, names)
    return inventory.api_url(account, api) if api else None


def _address(account: Cloud, names: Names, wanted: Wanted, has: dict[str, parameters.Held]) -> list[Step]:
    """Return the step that tells the functions their own address, for the links in alerts; known only once they are deployed."""
    if PUBLIC_URL in wanted.variables:
        return []
    url = address(account, names)
    if url:
        known = parameters.step(account, names, PUBLIC_URL, url, has)
        return [Step(known.act, f"address {url}", known.why, known.do)]

    def do(_tell: Tell) -> None:
        if made := address(account, names):
            parameters.put(account, names, PUBLIC_URL, made)

    return [Step(Act.CREATE, "address for the links in alerts", do=do)]
