"""CloudWatch alarms for faults Sauron cannot report itself: a stopped or failing clock, messages given up.

With an address to notify they go to an SNS topic. Limit: AWS sends that address a mail, and alarms arrive
only after it was confirmed.
"""

from __future__ import annotations

from typing import Any

from .cloud import Cloud, ignore_missing
from .names import WORK, Names
from .plan import Act, Report, Step, step_for

PERIOD_SECONDS = 300


def steps(cloud: Cloud, names: Names, email: str | None) -> list[Step]:
    """Return the steps that create the alarms, and the topic if `email` is given or the topic exists."""
    topic = cloud.arn("sns", names.topic)
    subscribed = _subscribed(cloud, topic)
    made: list[Step] = []
    if email or subscribed is not None:
        made.append(_topic_step(cloud, names, email, subscribed))
    actions = [topic] if made else []
    has = {alarm["AlarmName"]: alarm for alarm in _found(cloud, names)}
    return made + [
        _alarm_step(cloud, one | {"AlarmActions": actions, "OKActions": actions}, has)
        for one in wanted(names)
    ]


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that remove the alarms and the topic."""
    made = []
    if alarms := [alarm["AlarmName"] for alarm in _found(cloud, names)]:

        def silence(_report: Report) -> None:
            cloud.client("cloudwatch").delete_alarms(AlarmNames=alarms)

        made.append(Step(Act.REMOVE, f"alarms {', '.join(alarms)}", do=silence))
    topic = cloud.arn("sns", names.topic)
    if _subscribed(cloud, topic) is not None:

        def dissolve(_report: Report) -> None:
            with ignore_missing():
                cloud.client("sns").delete_topic(TopicArn=topic)

        made.append(Step(Act.REMOVE, f"topic {names.topic}", do=dissolve))
    return made


def wanted(names: Names) -> list[dict[str, Any]]:
    """Return every alarm as CloudWatch takes it, but for the topic to notify."""
    tick, upkeep, work = (names.function(handler) for handler in ("tick", "upkeep", WORK))
    common = {"Statistic": "Sum", "Period": PERIOD_SECONDS, "EvaluationPeriods": 1}
    at_all = {
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    return [
        {
            "AlarmName": f"{tick}-stopped",
            "AlarmDescription": "Sauron's clock has stopped: nothing becomes due. Is the rule enabled? "
            "Does the function exist?",
            "MetricName": "Invocations",
            "Threshold": 1.0,
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "breaching",
            **_of(tick),
            **common,
        },
        {
            "AlarmName": f"{tick}-errors",
            "AlarmDescription": f"Sauron's clock fails. The log group {names.log_group(tick)} says why.",
            "MetricName": "Errors",
            **_of(tick),
            **common,
            **at_all,
        },
        {
            "AlarmName": f"{upkeep}-errors",
            "AlarmDescription": "What sends alerts fails, so nobody may be told of failing jobs. "
            f"The log group {names.log_group(upkeep)} says why.",
            "MetricName": "Errors",
            **_of(upkeep),
            **common,
            **at_all,
        },
        {
            "AlarmName": f"{work}-throttles",
            "AlarmDescription": "AWS refuses to start runs: the account's functions at once are used up. "
            "Lower --concurrency, or have the limit raised.",
            "MetricName": "Throttles",
            **_of(work),
            **common,
            **at_all,
        },
        # Upkeep empties that queue at once, so the messages it received are counted. The messages that are
        # left are counted as well, in case upkeep does not run.
        *(
            {
                "AlarmName": f"{names.prefix}-{name}",
                "AlarmDescription": "Messages were given up after several tries. "
                f"Is {names.function('work')} failing?",
                "Namespace": "AWS/SQS",
                "MetricName": metric,
                "Dimensions": [{"Name": "QueueName", "Value": names.dead_queue}],
                **common,
                **at_all,
                "Statistic": statistic,
            }
            for name, metric, statistic in (
                ("dead-letters", "NumberOfMessagesReceived", "Sum"),
                ("dead-letters-left", "ApproximateNumberOfMessagesVisible", "Maximum"),
            )
        ),
    ]


def _of(function: str) -> dict[str, Any]:
    return {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": function}]}


def _alarm_step(cloud: Cloud, desired: dict[str, Any], has: dict[str, dict[str, Any]]) -> Step:
    name = desired["AlarmName"]
    known = has.get(name)

    def do(_report: Report) -> None:
        cloud.client("cloudwatch").put_metric_alarm(**desired)

    differs = [key for key, value in desired.items() if known and known.get(key) != value]
    return step_for(f"alarm {name}", exists=known is not None, differs=differs, do=do)


def _topic_step(cloud: Cloud, names: Names, email: str | None, subscribed: list[str] | None) -> Step:
    def do(report: Report) -> None:
        sns = cloud.client("sns")
        topic = sns.create_topic(Name=names.topic)["TopicArn"]
        if email:
            sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=email)
            report(f"AWS has sent a mail to {email}. Alarms arrive only after it was confirmed.")

    differs = [f"{email} is not subscribed"] if email and email not in (subscribed or ()) else []
    return step_for(f"topic {names.topic}", exists=subscribed is not None, differs=differs, do=do)


def _subscribed(cloud: Cloud, topic: str) -> list[str] | None:
    """Return the addresses that are subscribed to a topic, None when the topic does not exist."""
    with ignore_missing():
        cloud.client("sns").get_topic_attributes(TopicArn=topic)
        pages = cloud.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return [one["Endpoint"] for page in pages for one in page["Subscriptions"]]
    return None


def _found(cloud: Cloud, names: Names) -> list[dict[str, Any]]:
    ours = [one["AlarmName"] for one in wanted(names)]
    found: list[dict[str, Any]] = cloud.client("cloudwatch").describe_alarms(AlarmNames=ours)["MetricAlarms"]
    return found
