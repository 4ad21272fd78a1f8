"""Limits that keep the functions from starving each other, and that Chalice cannot set.

- How many runs go at once: every function shares the account's concurrency, and without a bound long runs
  would leave nothing for the clock. tick and upkeep have a share of their own where the account is large
  enough: AWS keeps UNRESERVED_AT_LEAST for functions without one.
- A work function sends to the queue that starts it, about the next run. That ends when nothing is due, so
  Lambda's detection of recursive loops, which stops such a chain after about 16 messages, is switched off.
- An event of the clock is worth nothing a minute later: it is not tried again.
- The API's address is public: API Gateway refuses calls above a rate before they start a function.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from . import inventory
from .cloud import AwsError, Cloud, ignore_missing
from .names import API_STAGE, SCHEDULED, WORK, Names
from .plan import Act, Report, Step, step_for

FOR_OTHERS = 5  # of the account's concurrency: tick, sync, upkeep and two calls of the API
NEW_ACCOUNT = 10  # functions at once
FEWEST_RUNS = 2  # that AWS takes as the limit of a queue
SHARES = {"tick": 1, "upkeep": 1}
UNRESERVED_AT_LEAST = 100
CONNECTIONS_OF_A_RUN = 2
CONNECTIONS_OF_OTHERS = 20
EVENT_SECONDS = 60  # AWS takes no less
EVENTS = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": EVENT_SECONDS}
RATE = 20.0  # calls a second
BURST = 40
LOOPS = "Allow"
TOO_SMALL = (
    "The account is too small to reserve a share for the clock. AWS raises its limit of functions at once "
    "for nothing: Service Quotas, AWS Lambda, Concurrent executions."
)
AFTER = "after the deployment"
MAPPING_SECONDS = 120.0
LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Room:
    """How many functions may run at once in the account, and without a share; the database's connections."""

    total: int
    unreserved: int
    connections: int | None = None

    @property
    def runs(self) -> int:
        """How many runs may go at once if nobody says otherwise."""
        most = self.total - FOR_OTHERS
        if self.connections is not None:
            most = min(most, (self.connections - CONNECTIONS_OF_OTHERS) // CONNECTIONS_OF_A_RUN)
        return max(FEWEST_RUNS, most)


def room(cloud: Cloud, connections: int | None) -> Room:
    """Ask how much may run at once in the account."""
    limit = cloud.client("lambda").get_account_settings()["AccountLimit"]
    return Room(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"], connections)


def steps(
    cloud: Cloud, names: Names, runs: int | None, has: Room, *, deploys: bool
) -> tuple[list[Step], list[str]]:
    """Return the steps that set every limit, and what the operator should know of them.

    `runs` is the asked limit of runs at once; None keeps the limit, or takes that of the room. `deploys` says
    whether the functions are deployed before.
    """
    shares, notes = clock_shares(cloud, names, has, deploys=deploys)
    feeding = _feeding(cloud, names, runs, has)
    return [
        feeding,
        _loops(cloud, names),
        *shares,
        _events(cloud, names),
        _rate(cloud, names, deploys=deploys),
    ], [_about(has), *notes]


def _about(has: Room) -> str:
    database = "" if has.connections is None else f", and the database {has.connections} connections"
    return (
        f"The account allows {has.total} functions at once{database}. Without --concurrency {has.runs} runs "
        f"go at once, and {FOR_OTHERS} are left for the clock and the API."
    )


def _feeding(cloud: Cloud, names: Names, runs: int | None, has: Room) -> Step:
    known = inventory.mapping(cloud, names)
    now = (known or {}).get("ScalingConfig", {}).get("MaximumConcurrency")
    limit = runs or now or has.runs

    def do(_report: Report) -> None:
        set_runs(cloud, names, limit)

    what = f"queue to {names.function(WORK)}, {limit} runs at once"
    if known is None:
        return Step(Act.CREATE, what, do=do)
    return (
        Step(Act.CHANGE, what, f"{now or 'any number'} before", do) if limit != now else Step(Act.KEEP, what)
    )


def set_runs(
    cloud: Cloud,
    names: Names,
    limit: int,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Limit the runs at once. The mapping is made or changed by AWS in the background, which is waited for.

    Raises AwsError if that takes more than MAPPING_SECONDS.
    """
    until = clock() + MAPPING_SECONDS
    while True:
        found = inventory.mapping(cloud, names)
        if found and found["State"] in {"Enabled", "Disabled"}:
            try:
                cloud.client("lambda").update_event_source_mapping(
                    UUID=found["UUID"], BatchSize=1, ScalingConfig={"MaximumConcurrency": limit}
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceInUseException":
                    raise
            else:
                return
        if clock() > until:
            state = found["State"] if found else "missing"
            raise AwsError(
                f"limit {names.function(WORK)} to {limit} runs at once",
                f"its queue's mapping is still {state} after {MAPPING_SECONDS:g} s. Run this again.",
            )
        sleep(LOOK_SECONDS)


def _loops(cloud: Cloud, names: Names) -> Step:
    work = names.function(WORK)
    now = None
    with ignore_missing():
        now = cloud.client("lambda").get_function_recursion_config(FunctionName=work)["RecursiveLoop"]

    def do(_report: Report) -> None:
        cloud.client("lambda").put_function_recursion_config(FunctionName=work, RecursiveLoop=LOOPS)

    differs = [] if now == LOOPS else ["Lambda would stop long chains of runs"]
    return step_for(f"{work} may send to its own queue", exists=now is not None, differs=differs, do=do)


def clock_shares(cloud: Cloud, names: Names, has: Room, *, deploys: bool) -> tuple[list[Step], list[str]]:
    """Return the steps that reserve concurrency for the clock, where the account is large enough.

    Chalice takes the shares away whenever it deploys.
    """
    client, now = cloud.client("lambda"), {}
    for handler in SHARES:
        with ignore_missing():
            asked = client.get_function_concurrency(FunctionName=names.function(handler))
            now[handler] = asked.get("ReservedConcurrentExecutions")
    missing = {handler: share for handler, share in SHARES.items() if now.get(handler) != share}
    due = SHARES if deploys else missing
    what = f"a share for {', '.join(names.function(handler) for handler in SHARES)}"
    if has.unreserved - sum(missing.values()) < UNRESERVED_AT_LEAST:
        return [], [TOO_SMALL]

    def do(_report: Report) -> None:
        for handler, share in due.items():
            client.put_function_concurrency(
                FunctionName=names.function(handler), ReservedConcurrentExecutions=share
            )

    differs = sorted(missing) or ([AFTER] if deploys else [])
    return [step_for(what, exists=bool(now), differs=differs, do=do)], []


def _events(cloud: Cloud, names: Names) -> Step:
    client = cloud.client("lambda")
    wrong = []
    for handler in SCHEDULED:
        now: dict[str, Any] = {}
        with ignore_missing():
            now = client.get_function_event_invoke_config(FunctionName=names.function(handler))
        if any(now.get(key) != value for key, value in EVENTS.items()):
            wrong.append(handler)

    def do(_report: Report) -> None:
        for handler in wrong:
            client.put_function_event_invoke_config(FunctionName=names.function(handler), **EVENTS)

    what = f"events of {', '.join(SCHEDULED)}: dropped after {EVENT_SECONDS} s, tried once"
    return step_for(what, exists=len(wrong) < len(SCHEDULED), differs=wrong, do=do)


def _rate(cloud: Cloud, names: Names, *, deploys: bool) -> Step:
    client = cloud.client("apigateway")
    wanted = {"throttlingRateLimit": RATE, "throttlingBurstLimit": BURST}
    now = _rate_now(cloud, names)

    def do(_report: Report) -> None:
        client.update_stage(
            restApiId=inventory.rest_api(cloud, names),
            stageName=API_STAGE,
            patchOperations=[
                {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": str(RATE)},
                {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": str(BURST)},
            ],
        )

    differs = [key for key, value in wanted.items() if now is not None and now.get(key) != value]
    if deploys and not differs:
        differs = [AFTER]  # whether a new deployment of the API keeps it is for AWS to say
    what = f"at most {RATE:g} calls of the API a second, {BURST} in a burst"
    return step_for(what, exists=now is not None, differs=differs, do=do)


def _rate_now(cloud: Cloud, names: Names) -> dict[str, Any] | None:
    """Return the limits of all methods of the API's stage, None if there is no stage."""
    if (api := inventory.rest_api(cloud, names)) is None:
        return None
    with ignore_missing():
        stage = cloud.client("apigateway").get_stage(restApiId=api, stageName=API_STAGE)
        found: dict[str, Any] = stage.get("methodSettings", {}).get("*/*", {})
        return found
    return None
