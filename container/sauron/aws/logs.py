"""The functions' log groups: made before the functions, so that their logs are deleted after a while and never kept for ever."""

from __future__ import annotations

from .cloud import Cloud, unless_gone
from .names import Names
from .plan import Act, Step, Tell, judged

RETENTION_DAYS = 30


def steps(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that make the log groups."""
    has = _found(cloud, names)
    return [_step(cloud, names.log_group(function), has) for function in names.functions]


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that remove the log groups with what is in them."""
    ours = {names.log_group(function) for function in names.functions}
    return [
        Step(Act.REMOVE, f"log group {group}", do=lambda _tell, group=group: _remove(cloud, group))  # type: ignore[misc]
        for group in sorted(ours & _found(cloud, names).keys())
    ]


def _step(cloud: Cloud, group: str, has: dict[str, int | None]) -> Step:
    def do(_tell: Tell) -> None:
        logs = cloud.client("logs")
        if group not in has:
            logs.create_log_group(logGroupName=group)
        logs.put_retention_policy(logGroupName=group, retentionInDays=RETENTION_DAYS)

    differs = (
        []
        if has.get(group) == RETENTION_DAYS
        else [f"kept for {has.get(group) or 'ever'}, not {RETENTION_DAYS} days"]
    )
    return judged(f"log group {group}", exists=group in has, differs=differs, do=do)


def _found(cloud: Cloud, names: Names) -> dict[str, int | None]:
    pages = cloud.client("logs").get_paginator("describe_log_groups")
    return {
        group["logGroupName"]: group.get("retentionInDays")
        for page in pages.paginate(logGroupNamePrefix=names.log_group(names.prefix))
        for group in page["logGroups"]
    }


def _remove(cloud: Cloud, group: str) -> None:
    with unless_gone():
        cloud.client("logs").delete_log_group(logGroupName=group)
