"""What AWS has of a stage, in the format of Chalice's own records of a deployment.

Chalice writes its records only after a successful deployment, into a file of the checkout. After a failed
deployment, or from another checkout, it would create a second API. So the records are rewritten from AWS
before Chalice runs; resources are found by their names. Records of handlers that no longer exist stay in the
file, so that Chalice removes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .cloud import Cloud, StackError, ignore_missing
from .names import API, API_STAGE, HANDLERS, SCHEDULED, WORK, Names

Resource = dict[str, str]
STACK_TAG = "aws:cloudformation:stack-name"


def resources(cloud: Cloud, names: Names) -> list[Resource]:
    """Return every resource of the stage that Chalice manages and AWS has."""
    configurations = functions(cloud, names)
    made: list[Resource] = []
    if layer := _layer(cloud, names):
        made.append({"name": "managed-layer", "resource_type": "lambda_layer", "layer_version_arn": layer})
    for handler in HANDLERS:
        if arn := _role(cloud, names.role(handler)):
            role = {"role_arn": arn, "role_name": names.role(handler)}
            made.append({"name": f"{handler}_role", "resource_type": "iam_role"} | role)
        if known := configurations.get(handler):
            arn = known["FunctionArn"]
            made.append({"name": handler, "resource_type": "lambda_function", "lambda_arn": arn})
        if handler in SCHEDULED and _has_rule(cloud, names.rule(handler)):
            rule = {"rule_name": names.rule(handler)}
            made.append({"name": f"{handler}-event", "resource_type": "cloudwatch_event"} | rule)
        if handler == WORK and known and (source := mapping(cloud, names)):
            facts = {
                "queue_arn": source["EventSourceArn"],
                "event_uuid": source["UUID"],
                "queue": names.queue,
                "lambda_arn": arn,
            }
            made.append({"name": "work-sqs-event-source", "resource_type": "sqs_event"} | facts)
    if api := rest_api(cloud, names):
        made.append(
            {
                "name": "rest_api",
                "resource_type": "rest_api",
                "rest_api_id": api,
                "rest_api_url": api_url(cloud, api),
            }
        )
    return made


def note(cloud: Cloud, names: Names, root: Path) -> None:
    """Rewrite Chalice's records of the stage."""
    file = root / f".chalice/deployed/{names.stage}.json"
    noted = json.loads(file.read_text(encoding="utf-8"))["resources"] if file.is_file() else []
    ours = {"managed-layer", "rest_api", "work-sqs-event-source", *HANDLERS}
    ours |= {f"{handler}_role" for handler in HANDLERS} | {f"{handler}-event" for handler in SCHEDULED}
    kept = [one for one in noted if one["name"] not in ours and cloud.account in json.dumps(one)]
    now = {"resources": resources(cloud, names) + kept, "schema_version": "2.0", "backend": "api"}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    partial.rename(file)


def functions(cloud: Cloud, names: Names) -> dict[str, dict[str, Any]]:
    """Return the configuration of every function that exists, keyed by its handler."""
    found = {}
    for handler in HANDLERS:
        with ignore_missing():
            found[handler] = cloud.client("lambda").get_function_configuration(
                FunctionName=names.function(handler)
            )
    return found


def refuse_a_stack(cloud: Cloud, names: Names) -> None:
    """Raise StackError if CloudFormation made the stage: two ways to change it would undo each other."""
    with ignore_missing():
        arn = cloud.arn("lambda", f"function:{names.function(WORK)}")
        tags: dict[str, str] = cloud.client("lambda").list_tags(Resource=arn)["Tags"]
        if STACK_TAG in tags:
            raise StackError(names.stage, tags[STACK_TAG])


def mapping(cloud: Cloud, names: Names) -> dict[str, Any] | None:
    """Return the event source mapping from the queue to the work function, None if there is none."""
    queue, function = cloud.arn("sqs", names.queue), f":function:{names.function(WORK)}"
    with ignore_missing():
        listed = cloud.client("lambda").list_event_source_mappings(EventSourceArn=queue)[
            "EventSourceMappings"
        ]
        ours: list[dict[str, Any]] = [
            one for one in listed if one["FunctionArn"].endswith(function) and one.get("State") != "Deleting"
        ]
        return ours[0] if ours else None
    return None


def rest_api(cloud: Cloud, names: Names) -> str | None:
    """Return the id of the API that calls this stage's function; all stages' APIs have the same name."""
    client = cloud.client("apigateway")
    for page in client.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] == "sauron" and _calls(client, api["id"], f":function:{names.function(API)}/"):
                found: str = api["id"]
                return found
    return None


def api_url(cloud: Cloud, api: str) -> str:
    """Return the address of an API."""
    domain = "amazonaws.com.cn" if cloud.partition == "aws-cn" else "amazonaws.com"
    return f"https://{api}.execute-api.{cloud.region}.{domain}/{API_STAGE}/"


def _calls(client: Any, api: str, function: str) -> bool:
    for page in client.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"]):
        for resource in page["items"]:
            for method in resource.get("resourceMethods", {}):
                with ignore_missing():
                    integration = client.get_integration(
                        restApiId=api, resourceId=resource["id"], httpMethod=method
                    )
                    # all methods of an API call the same function
                    if ":function:" in integration.get("uri", ""):
                        return function in integration["uri"]
    return False


def _layer(cloud: Cloud, names: Names) -> str | None:
    """Return the newest version of the layer; Chalice removes the previous one when it makes a new one."""
    with ignore_missing():
        versions = cloud.client("lambda").list_layer_versions(LayerName=names.layer)["LayerVersions"]
        return max(versions, key=lambda one: one["Version"])["LayerVersionArn"] if versions else None
    return None


def _role(cloud: Cloud, name: str) -> str | None:
    with ignore_missing():
        found: str = cloud.client("iam").get_role(RoleName=name)["Role"]["Arn"]
        return found
    return None


def _has_rule(cloud: Cloud, name: str) -> bool:
    with ignore_missing():
        return bool(cloud.client("events").describe_rule(Name=name))
    return False
