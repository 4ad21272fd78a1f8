"""What the stand-in for AWS has of the stage `prod`, in a form that can be compared."""

from __future__ import annotations

from typing import Any

from sauron.aws.names import Names
from tests import aws_server

PROD = Names("prod")
# What each function may read of the stage's secrets, as docs/aws.md says.
PATHS = {
    "sauron-prod": "/sauron/prod/api,/sauron/prod/bundle,/sauron/prod/shared",
    "sauron-prod-sync": "/sauron/prod/bundle,/sauron/prod/shared",
    "sauron-prod-work": "/sauron/prod/bundle,/sauron/prod/shared",
    "sauron-prod-tick": "/sauron/prod/shared",
    "sauron-prod-upkeep": "/sauron/prod/shared",
}


def state(aws: aws_server.Aws) -> dict[str, Any]:
    """Return everything that AWS has of ours, in a form that can be compared."""
    sqs, lambda_, ssm = aws.client("sqs"), aws.client("lambda"), aws.client("ssm")
    parameters = ssm.get_parameters_by_path(
        Path="/sauron/prod", Recursive=True, WithDecryption=True, MaxResults=10
    )["Parameters"]
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    apis = aws.client("apigateway").get_rest_apis()["items"]
    return {
        "queues": {
            url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            for url in sqs.list_queues().get("QueueUrls", [])
        },
        "functions": {
            one["FunctionName"]: {name: value for name, value in one.items() if name != "ResponseMetadata"}
            for one in lambda_.list_functions()["Functions"]
        },
        "layers": [one["LayerName"] for one in lambda_.list_layers()["Layers"]],
        "mappings": [
            (one["UUID"], one.get("ScalingConfig"))
            for one in lambda_.list_event_source_mappings()["EventSourceMappings"]
        ],
        "parameters": {one["Name"]: (one["Type"], one["Value"], one["Version"]) for one in parameters},
        "alarms": {one["AlarmName"]: one["AlarmConfigurationUpdatedTimestamp"].isoformat() for one in alarms},
        "topics": [one["TopicArn"] for one in aws.client("sns").list_topics()["Topics"]],
        "rules": {
            one["Name"]: one["ScheduleExpression"] for one in aws.client("events").list_rules()["Rules"]
        },
        "groups": {
            one["logGroupName"]: one.get("retentionInDays")
            for one in aws.client("logs").describe_log_groups()["logGroups"]
        },
        "roles": [one["RoleName"] for one in aws.client("iam").list_roles()["Roles"]],
        "apis": [one["id"] for one in apis],
        "limits": _limits(aws, apis) if apis else {},
    }


def _limits(aws: aws_server.Aws, apis: list[dict[str, Any]]) -> dict[str, Any]:
    lambda_, events, shares = aws.client("lambda"), {}, {}
    for name in PROD.functions:
        asked = lambda_.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
        if asked:
            events[name] = (asked[0]["MaximumRetryAttempts"], asked[0]["MaximumEventAgeInSeconds"])
        if share := lambda_.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"):
            shares[name] = share
    stage = aws.client("apigateway").get_stage(restApiId=apis[0]["id"], stageName="api")
    rate = stage["methodSettings"].get("*/*", {})
    return {
        "shares": shares,
        "events": events,
        "loops": lambda_.get_function_recursion_config(FunctionName="sauron-prod-work")["RecursiveLoop"],
        "rate": (rate.get("throttlingRateLimit"), rate.get("throttlingBurstLimit")),
    }
