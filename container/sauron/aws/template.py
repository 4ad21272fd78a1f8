"""Complete the SAM template that Chalice writes, so that CloudFormation makes a whole stage of it.

Names, queues, alarms and limits are those of `up`: each is taken from the module that says it. What differs
between accounts is a parameter of the template. Every setting of Sauron is an SSM parameter that the operator
stores, since CloudFormation cannot make encrypted ones.

Run: python -m sauron.aws.template FOLDER STAGE, where FOLDER holds what `chalice package` wrote.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalicelib import __version__

from . import alarms, functions, limits, logs, policies, queues
from .cloud import Cloud
from .names import API, PUBLIC_URL, SCHEDULED, WORK, Names

FILE = "sam.json"
# Stands for whichever account the template is deployed to: CloudFormation fills in these texts.
ANY = Cloud(None, "${AWS::Region}", "${AWS::AccountId}", "", "${AWS::Partition}")
MAIL = policies.Mail("${MailRegion}", ("${Sender}",))
LOGICAL = {API: "APIHandler", "tick": "Tick", "sync": "Sync", "upkeep": "Upkeep", WORK: "Work"}
ROLES = {handler: f"{name}Role" for handler, name in LOGICAL.items()} | {API: "ApiHandlerRole"}
NOTHING = {"Ref": "AWS::NoValue"}
Json = dict[str, Any]


def completed(template: Json, names: Names) -> Json:
    """Return the whole stage's template, made from the one that Chalice wrote."""
    made: Json = json.loads(json.dumps(template))
    resources = made["Resources"]
    for handler in LOGICAL:
        _function(resources, names, handler)
        _role(resources, names, handler)
    resources["RestAPI"]["Properties"] |= {
        "EndpointConfiguration": {"Type": "REGIONAL"},
        "OpenApiVersion": "2.0",  # without it SAM adds a second stage, named Stage
        "MethodSettings": [
            {
                "ResourcePath": "/*",
                "HttpMethod": "*",
                "ThrottlingRateLimit": limits.RATE,
                "ThrottlingBurstLimit": limits.BURST,
            }
        ],
    }
    resources |= _queues(names) | _alarms(names)
    resources["Address"] = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {
            "Name": names.parameter(PUBLIC_URL),
            "Type": "String",
            "Value": {
                "Fn::If": ["HasAddress", {"Ref": "PublicUrl"}, made["Outputs"]["EndpointURL"]["Value"]]
            },
        },
    }
    made["Description"] = f"Sauron {__version__}, stage {names.stage}"
    made["Parameters"] = _parameters(names)
    made["Conditions"] = {
        "HasSender": _given("Sender"),
        "HasAlarmEmail": _given("AlarmEmail"),
        "HasAddress": _given("PublicUrl"),
        "ReservesForTheClock": {"Fn::Equals": [{"Ref": "ReserveForClock"}, "yes"]},
    }
    found: Json = _substituted(made)
    return found


def _parameters(names: Names) -> Json:
    return {
        "Revision": {
            "Type": "String",
            "Default": "1",
            "Description": f"Change it after a parameter below {names.parameters} has changed: "
            "the functions then start anew and read it.",
        },
        "RunsAtOnce": {
            "Type": "Number",
            "Default": limits.Room(limits.NEW_ACCOUNT, limits.NEW_ACCOUNT).runs,
            "MinValue": limits.FEWEST_RUNS,
            "MaxValue": 1000,
            "Description": "The most runs at a time. Leave some of the account's functions at once, and two "
            "connections of the database for each run.",
        },
        "ReserveForClock": {
            "Type": "String",
            "Default": "no",
            "AllowedValues": ["no", "yes"],
            "Description": "Whether tick and upkeep get a share of their own. AWS refuses it unless "
            f"{limits.UNRESERVED_AT_LEAST} functions at once are left for others.",
        },
        "Sender": {
            "Type": "String",
            "Default": "",
            "Description": "FROM_EMAIL: the address that mail is sent from. Without it none may be sent.",
        },
        "MailRegion": {
            "Type": "String",
            "Default": policies.MAIL_REGION_DEFAULT,
            "Description": "The region of SES.",
        },
        "AlarmEmail": {"Type": "String", "Default": "", "Description": "Where alarms of AWS are sent."},
        "PublicUrl": {
            "Type": "String",
            "Default": "",
            "Description": "The address for links in alerts. Without it that of the API.",
        },
    }


def _given(parameter: str) -> Json:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def _function(resources: Json, names: Names, handler: str) -> None:
    resource = resources[LOGICAL[handler]]
    ours, name = resource["Properties"], names.function(handler)
    ours |= {
        "FunctionName": name,
        "Description": f"Sauron {__version__}, stage {names.stage}",
        "EphemeralStorage": {"Size": functions.tmp_megabytes(handler)},
    }
    ours["Environment"]["Variables"] |= {
        "SAURON_SSM_PATH": ",".join(names.readable(handler)),
        "SAURON_SQS_QUEUE_URL": {"Ref": "RunsQueue"},
        "SECRETS_REVISION": {"Ref": "Revision"},
        policies.SENDER: {"Fn::If": ["HasSender", {"Ref": "Sender"}, NOTHING]},
        policies.MAIL_REGION: {"Ref": "MailRegion"},
    }
    if handler in limits.SHARES:
        ours["ReservedConcurrentExecutions"] = {
            "Fn::If": ["ReservesForTheClock", limits.SHARES[handler], NOTHING]
        }
    if handler in SCHEDULED:
        ours["EventInvokeConfig"] = limits.EVENTS
        ours["Events"][f"{LOGICAL[handler]}Event"]["Properties"]["Name"] = names.rule(handler)
    if handler == WORK:
        ours["RecursiveLoop"] = limits.LOOPS
        ours["Events"]["WorkSqsEventSource"]["Properties"] |= {
            "Queue": {"Fn::GetAtt": ["RunsQueue", "Arn"]},
            "ScalingConfig": {"MaximumConcurrency": {"Ref": "RunsAtOnce"}},
        }
    logs_of = f"{LOGICAL[handler]}Logs"
    resources[logs_of] = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {"LogGroupName": names.log_group(name), "RetentionInDays": logs.RETENTION_DAYS},
    }
    resource["DependsOn"] = logs_of


def _role(resources: Json, names: Names, handler: str) -> None:
    role = resources[ROLES[handler]]["Properties"]
    role["RoleName"] = names.role(handler)
    [policy] = role["Policies"]
    text = json.dumps(policy["PolicyDocument"])
    policy["PolicyDocument"] = narrowed = json.loads(policies.narrowed(text, ANY, MAIL))
    narrowed["Statement"] = [
        {"Fn::If": ["HasSender", one, NOTHING]} if one.get("Sid") == policies.SEND_MAIL else one
        for one in narrowed["Statement"]
    ]


def _queues(names: Names) -> Json:
    logical = {names.queue: "RunsQueue", names.dead_queue: "DeadRunsQueue"}
    made: Json = {}
    for name, attributes in queues.wanted(ANY, names).items():
        made[logical[name]] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name} | attributes}
    redrive = made["RunsQueue"]["Properties"]["RedrivePolicy"]
    redrive["deadLetterTargetArn"] = {"Fn::GetAtt": ["DeadRunsQueue", "Arn"]}  # which is made first
    return made


def _alarms(names: Names) -> Json:
    topic = {
        "Type": "AWS::SNS::Topic",
        "Condition": "HasAlarmEmail",
        "Properties": {
            "TopicName": names.topic,
            "Subscription": [{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}],
        },
    }
    told = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], NOTHING]}
    return {"AlarmTopic": topic} | {
        _logical(names, one["AlarmName"]): {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": one | {"AlarmActions": told, "OKActions": told},
        }
        for one in alarms.wanted(names)
    }


def _logical(names: Names, alarm: str) -> str:
    words = alarm.removeprefix(f"{names.prefix}-").split("-")
    return "Alarm" + "".join(word.capitalize() for word in words)


def _substituted(value: Any) -> Any:
    """Let CloudFormation fill in `${...}` wherever a text has it; what says Fn::Sub already stays."""
    if isinstance(value, dict):
        return {key: one if key == "Fn::Sub" else _substituted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_substituted(one) for one in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value


def main(arguments: Sequence[str]) -> None:
    """Complete the template in a folder, in place."""
    folder, stage = arguments
    file = Path(folder) / FILE
    made = completed(json.loads(file.read_text(encoding="utf-8")), Names(stage))
    file.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
