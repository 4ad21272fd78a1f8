"""The functions' log groups: created before the functions, so that their logs have a retention."""

from __future__ import annotations

from .cloud import Cloud, ignore_missing
from .names import Names
from .plan import Act, Report, Step, step_for

RETENTION_DAYS = 30


def steps(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that create the log groups."""
    has = _found(cloud, names)
    return [_step(cloud, names.log_group(function), has) for function in names.functions]


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that remove the log groups with their logs."""
    ours = {names.log_group(function) for function in names.functions}
    return [
        Step(Act.REMOVE, f"log group {group}", do=lambda _report, group=group: _remove(cloud, group))  # type: ignore[misc]
        for group in sorted(ours & _found(cloud, names).keys())
    ]


def _step(cloud: Cloud, group: str, has: dict[str, int | None]) -> Step:
    def do(_report: Report) -> None:
        logs = cloud.client("logs")
        if group not in has:
            logs.create_log_group(logGroupName=group)
        logs.put_retention_policy(logGroupName=group, retentionInDays=RETENTION_DAYS)

    differs = (
        []
        if has.get(group) == RETENTION_DAYS
        else [f"kept for {has.get(group) or 'ever'}, not {RETENTION_DAYS} days"]
    )
    return step_for(f"log group {group}", exists=group in has, differs=differs, do=do)


def _found(cloud: Cloud, names: Names) -> dict[str, int | None]:
    pages = cloud.client("logs").get_paginator("describe_log_groups")
    return {
        group["logGroupName"]: group.get("retentionInDays")
        for page in pages.paginate(logGroupNamePrefix=names.log_group(names.prefix))
        for group in page["logGroups"]
    }


def _remove(cloud: Cloud, group: str) -> None:
    with ignore_missing():
        cloud.client("logs").delete_log_group(logGroupName=group)
