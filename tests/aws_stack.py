"""CloudFormation for tests: makes the resources of a translated template on the stand-in, by AWS's own calls.

It knows the intrinsic functions and the kinds of resource that Sauron's template has, and refuses any other.
moto's own CloudFormation lacks several of them. What a resource is made of is checked by the calls' own
descriptions. Limits: nothing is updated or rolled back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.public.translator import Translator

from tests.aws_server import REGION, Aws

ACCOUNT = "123456789012"
NO_VALUE = object()
Kind = Callable[["Stack", str, dict[str, Any]], dict[str, str]]
STACK_TAG = "aws:cloudformation:stack-name"  # which CloudFormation sets on what it makes


def translated(template: Mapping[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """Return a SAM template in CloudFormation's words, as AWS's translator does; its code is in a bucket."""
    sam = json.loads(json.dumps(template))
    for one in sam["Resources"].values():
        if one["Type"] == "AWS::Serverless::Function":
            assert one["Properties"]["CodeUri"] == "./deployment.zip"
            one["Properties"]["CodeUri"] = f"s3://{bucket}/{key}"
    session = boto3.Session(region_name=REGION)
    made: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(sam, {})
    return made


@dataclass
class Stack:
    """What is made of one template with some parameters."""

    aws: Aws
    name: str
    template: dict[str, Any]
    given: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    made: dict[str, dict[str, str]] = field(default_factory=dict)

    def create(self) -> dict[str, str]:
        """Make every resource whose condition holds, each after those it names; return the outputs."""
        for logical in self.template["Resources"]:
            self._make(logical, ())
        return {name: self._value(one["Value"], ()) for name, one in self.template["Outputs"].items()}

    def resolved(self, value: Any) -> Any:
        """Return a part of the template with everything filled in."""
        return self._value(value, ())

    def _make(self, logical: str, waiting: tuple[str, ...]) -> None:
        resource = self.template["Resources"][logical]
        if logical in self.made or not self._holds(resource.get("Condition")):
            return
        assert logical not in waiting, f"resources wait for each other: {(*waiting, logical)}"
        known = {"Type", "Properties", "DependsOn", "Condition", "Metadata"}
        assert resource.keys() <= known, resource.keys()
        waits = (*waiting, logical)
        needs = resource.get("DependsOn", [])
        for need in [needs] if isinstance(needs, str) else needs:
            self._make(need, waits)
        properties = self._value(resource.get("Properties", {}), waits)
        self.made[logical] = self.kinds[resource["Type"]](self, logical, properties)

    def _holds(self, name: str | None) -> bool:
        return name is None or bool(self._value(self.template["Conditions"][name], ()))

    def _value(self, value: Any, waits: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            read = [self._value(one, waits) for one in value]
            return [one for one in read if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (name := next(iter(value))) in FUNCTIONS:
            return FUNCTIONS[name](self, value[name], waits)
        read_all = {key: self._value(one, waits) for key, one in value.items()}
        return {key: one for key, one in read_all.items() if one is not NO_VALUE}

    def _ref(self, name: str, waits: tuple[str, ...]) -> Any:
        pseudo = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": NO_VALUE,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.template["Parameters"]:
            declared = self.template["Parameters"][name]
            chosen = self.given.get(name, declared["Default"])
            return int(chosen) if declared["Type"] == "Number" else chosen
        self._make(name, waits)
        return self.made[name]["Ref"]

    def _attribute(self, path: list[str], waits: tuple[str, ...]) -> str:
        self._make(path[0], waits)
        return self.made[path[0]][path[1]]

    def _sub(self, given: Any, waits: tuple[str, ...]) -> str:
        text, more = given if isinstance(given, list) else (given, {})

        def fill(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if name in more:
                return str(self._value(more[name], waits))
            return str(self._attribute([name, attribute], waits) if attribute else self._ref(name, waits))

        return re.sub(r"\$\{([^}]+)\}", fill, text)

    def _if(self, given: list[Any], waits: tuple[str, ...]) -> Any:
        return self._value(given[1] if self._holds(given[0]) else given[2], waits)

    def _equals(self, given: list[Any], waits: tuple[str, ...]) -> bool:
        one, other = (self._value(side, waits) for side in given)
        return bool(one == other)

    def _not(self, given: list[Any], waits: tuple[str, ...]) -> bool:
        return not self._value(given[0], waits)


FUNCTIONS: dict[str, Callable[[Stack, Any, tuple[str, ...]], Any]] = {
    "Ref": Stack._ref,
    "Fn::GetAtt": Stack._attribute,
    "Fn::Sub": Stack._sub,
    "Fn::If": Stack._if,
    "Fn::Equals": Stack._equals,
    "Fn::Not": Stack._not,
}


def _queue(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    attributes = {key: json.dumps(value) for key, value in has.items() if key != "QueueName"}
    url = stack.aws.client("sqs").create_queue(QueueName=has["QueueName"], Attributes=attributes)["QueueUrl"]
    return {"Ref": url, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{has['QueueName']}"}


def _role(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    iam, policies = stack.aws.client("iam"), has.pop("Policies")
    trust = json.dumps(has.pop("AssumeRolePolicyDocument"))
    role = iam.create_role(**has, AssumeRolePolicyDocument=trust)["Role"]
    for one in policies:
        document = json.dumps(one["PolicyDocument"])
        iam.put_role_policy(RoleName=has["RoleName"], PolicyName=one["PolicyName"], PolicyDocument=document)
    return {"Ref": role["RoleName"], "Arn": role["Arn"]}


def _log_group(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    group = has.pop("LogGroupName")
    stack.aws.client("logs").create_log_group(logGroupName=group)
    stack.aws.client("logs").put_retention_policy(
        logGroupName=group, retentionInDays=has.pop("RetentionInDays")
    )
    assert not has
    return {"Ref": group}


def _function(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    client, name = stack.aws.client("lambda"), has["FunctionName"]
    tags = {one["Key"]: one["Value"] for one in has.pop("Tags")} | {STACK_TAG: stack.name}
    share, loops = has.pop("ReservedConcurrentExecutions", None), has.pop("RecursiveLoop", None)
    arn = client.create_function(**has, Tags=tags)["FunctionArn"]
    if share is not None:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=share)
    if loops is not None:
        client.put_function_recursion_config(FunctionName=name, RecursiveLoop=loops)
    return {"Ref": name, "Arn": arn}


def _permission(stack: Stack, logical: str, has: dict[str, Any]) -> dict[str, str]:
    stack.aws.client("lambda").add_permission(StatementId=logical, **has)
    return {"Ref": logical}


def _events_of_function(stack: Stack, logical: str, has: dict[str, Any]) -> dict[str, str]:
    stack.aws.client("lambda").put_function_event_invoke_config(**has)
    return {"Ref": logical}


def _mapping(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    return {"Ref": stack.aws.client("lambda").create_event_source_mapping(**has)["UUID"]}


def _rule(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    events, targets = stack.aws.client("events"), has.pop("Targets")
    arn = events.put_rule(**has)["RuleArn"]
    events.put_targets(Rule=has["Name"], Targets=targets)
    return {"Ref": has["Name"], "Arn": arn}


def _api(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    body = json.dumps(has.pop("Body")).encode()
    assert has.pop("EndpointConfiguration") == {"Types": ["REGIONAL"]}
    assert has == {"Parameters": {"endpointConfigurationTypes": "REGIONAL"}}
    return {
        "Ref": stack.aws.client("apigateway").import_rest_api(body=body, parameters=has["Parameters"])["id"]
    }


def _api_deployment(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    assert has.keys() == {"RestApiId", "Description"}  # a stage of its own would come with a StageName
    made = stack.aws.client("apigateway").create_deployment(restApiId=has["RestApiId"])
    return {"Ref": made["id"]}


def _api_stage(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    client, settings = stack.aws.client("apigateway"), has.pop("MethodSettings")
    where = {"restApiId": has.pop("RestApiId"), "stageName": has.pop("StageName")}
    client.create_stage(**where, deploymentId=has.pop("DeploymentId"))
    assert not has
    for one in settings:
        place = f"{one['ResourcePath']}/{one['HttpMethod']}"
        for key, name in (("ThrottlingRateLimit", "rateLimit"), ("ThrottlingBurstLimit", "burstLimit")):
            change = {"op": "replace", "path": f"{place}/throttling/{name}", "value": str(one[key])}
            client.update_stage(**where, patchOperations=[change])
    return {"Ref": where["stageName"]}


def _parameter(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    stack.aws.client("ssm").put_parameter(**has)
    return {"Ref": has["Name"]}


def _topic(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    sns = stack.aws.client("sns")
    arn = sns.create_topic(Name=has["TopicName"])["TopicArn"]
    for one in has["Subscription"]:
        sns.subscribe(TopicArn=arn, **one)
    return {"Ref": arn}


def _alarm(stack: Stack, _logical: str, has: dict[str, Any]) -> dict[str, str]:
    stack.aws.client("cloudwatch").put_metric_alarm(**has)
    return {"Ref": has["AlarmName"]}


KINDS: dict[str, Kind] = {
    "AWS::SQS::Queue": _queue,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::EventInvokeConfig": _events_of_function,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Events::Rule": _rule,
    "AWS::ApiGateway::RestApi": _api,
    "AWS::ApiGateway::Deployment": _api_deployment,
    "AWS::ApiGateway::Stage": _api_stage,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SNS::Topic": _topic,
    "AWS::CloudWatch::Alarm": _alarm,
}
