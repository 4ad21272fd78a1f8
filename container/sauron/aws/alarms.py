"""CloudWatch alarms for what Sauron cannot tell itself: the clock stands still, it fails, or messages were given up.

They go to an SNS topic when somebody is to be told. Limit: AWS asks whoever has the address to confirm it
first.
"""

from __future__ import annotations

from typing import Any

from .cloud import Cloud, unless_gone
from .names import Names
from .plan import Act, Step, Tell, judged

PERIOD_SECONDS = 300


def steps(cloud: Cloud, names: Names, email: str | None) -> list[Step]:
    """Return the steps that make the alarms, and the topic when an address is given or the topic is there already."""
    topic = cloud.arn("sns", names.topic)
    subscribed = _subscribed(cloud, topic)
    made: list[Step] = []
    if email or subscribed is not None:
        made.append(_topic_step(cloud, names, email, subscribed))
    actions = [topic] if made else []
    has = {alarm["AlarmName"]: alarm for alarm in _found(cloud, names)}
    return made + [
        _alarm_step(cloud, one | {"AlarmActions": actions, "OKActions": actions}, has)
        for one in _wanted(names)
    ]


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the steps that remove the alarms and the topic."""
    made = []
    if alarms := [alarm["AlarmName"] for alarm in _found(cloud, names)]:

        def silence(_tell: Tell) -> None:
            cloud.client("cloudwatch").delete_alarms(AlarmNames=alarms)

        made.append(Step(Act.REMOVE, f"alarms {', '.join(alarms)}", do=silence))
    topic = cloud.arn("sns", names.topic)
    if _subscribed(cloud, topic) is not None:

        def dissolve(_tell: Tell) -> None:
            with unless_gone():
                cloud.client("sns").delete_topic(TopicArn=topic)

        made.append(Step(Act.REMOVE, f"topic {names.topic}", do=dissolve))
    return made


def _wanted(names: Names) -> list[dict[str, Any]]:
    tick = names.function("tick")
    common = {"Statistic": "Sum", "Period": PERIOD_SECONDS, "EvaluationPeriods": 1}
    of_tick = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": tick}]}
    at_all = {
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    return [
        {
            "AlarmName": f"{tick}-stopped",
            "AlarmDescription": "Sauron's clock stands still: nothing becomes due. Is the rule enabled, is the function there?",
            "MetricName": "Invocations",
            "Threshold": 1.0,
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "breaching",
            **of_tick,
            **common,
        },
        {
            "AlarmName": f"{tick}-errors",
            "AlarmDescription": f"Sauron's clock fails. The log group {names.log_group(tick)} says why.",
            "MetricName": "Errors",
            **of_tick,
            **common,
            **at_all,
        },
        # Upkeep empties that queue at once, so what it took is counted; what lies there still is counted in
        # case it does not run.
        *(
            {
                "AlarmName": f"{names.prefix}-{name}",
                "AlarmDescription": f"Messages were given up after several tries. Is {names.function('work')} failing?",
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


def _alarm_step(cloud: Cloud, wanted: dict[str, Any], has: dict[str, dict[str, Any]]) -> Step:
    name = wanted["AlarmName"]
    known = has.get(name)

    def do(_tell: Tell) -> None:
        cloud.client("cloudwatch").put_metric_alarm(**wanted)

    differs = [key for key, value in wanted.items() if known and known.get(key) != value]
    return judged(f"alarm {name}", exists=known is not None, differs=differs, do=do)


def _topic_step(cloud: Cloud, names: Names, email: str | None, subscribed: list[str] | None) -> Step:
    def do(tell: Tell) -> None:
        sns = cloud.client("sns")
        topic = sns.create_topic(Name=names.topic)["TopicArn"]
        if email:
            sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=email)
            tell(f"AWS has sent a mail to {email}: it must be confirmed before alarms arrive.")

    differs = [f"{email} is not subscribed"] if email and email not in (subscribed or ()) else []
    return judged(f"topic {names.topic}", exists=subscribed is not None, differs=differs, do=do)


def _subscribed(cloud: Cloud, topic: str) -> list[str] | None:
    """Return the addresses of a topic, None when there is none."""
    with unless_gone():
        cloud.client("sns").get_topic_attributes(TopicArn=topic)
        pages = cloud.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return [one["Endpoint"] for page in pages for one in page["Subscriptions"]]
    return None


def _found(cloud: Cloud, names: Names) -> list[dict[str, Any]]:
    ours = [one["AlarmName"] for one in _wanted(names)]
    found: list[dict[str, Any]] = cloud.client("cloudwatch").describe_alarms(AlarmNames=ours)["MetricAlarms"]
    return found
