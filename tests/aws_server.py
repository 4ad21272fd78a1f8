"""AWS for tests: moto's server on loopback, taught the few things that a deployment needs and moto lacks.

`Aws.environ` is what a process needs to take it for AWS. Limit: moto keeps what it is told and executes no
Lambda function here.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
from botocore.config import Config
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
ACCOUNT_TOTAL = 1000  # functions at once
CREATING_LOOKS = 2  # at a mapping, until it is made
KEY = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True)
class Aws:
    """A running stand-in for AWS, and the way to it."""

    url: str
    server: ThreadedMotoServer

    @property
    def environ(self) -> dict[str, str]:
        """Return variables that make boto3, Chalice and Sauron use this server and no local profile."""
        files = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        region = {"AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        return {"AWS_ENDPOINT_URL": self.url, **KEY, **region, **files}

    def client(self, service: str) -> Any:
        """Return a boto3 client of one service."""
        makes: Any = _session().client
        return makes(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=30),
        )

    def close(self) -> None:
        self.server.stop()


@functools.cache
def _session() -> boto3.Session:
    """One for all: each would read the descriptions of the services anew."""
    return boto3.Session()


def start() -> Aws:
    """Start an empty AWS on a free port."""
    _accept_swagger()
    _know_layers_by_arn()
    _keep_the_size_of_tmp()
    _know_limits()
    _make_mappings_slowly()
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Aws(f"http://{host}:{port}", server)
    aws.client("sts").get_caller_identity()  # answers once it serves
    _reset(aws)
    return aws


def _reset(aws: Aws) -> None:
    """Empty it: moto's state belongs to the process, so an earlier server's is still there."""
    httpx.post(f"{aws.url}/moto-api/reset", trust_env=False).raise_for_status()


@functools.cache
def _accept_swagger() -> None:
    """Let moto's API Gateway import Swagger 2.0, as AWS does: it knows OpenAPI 3 only."""
    from moto.apigateway.models import APIGatewayBackend

    for name, place in (("import_rest_api", 0), ("put_rest_api", 1)):
        setattr(APIGatewayBackend, name, _wrapped(getattr(APIGatewayBackend, name), place))


@functools.cache
def _know_layers_by_arn() -> None:
    """Let moto's Lambda answer for a layer by its ARN, which Chalice asks at a second deploy."""
    from moto.awslambda.responses import LambdaResponse

    def get_layer_version_by_arn(self: Any) -> str:
        name, version = self._get_param("Arn").rsplit(":", 2)[1:]
        return json.dumps(self.backend.get_layer_version(name, version).get_layer_version())

    LambdaResponse.get_layer_version_by_arn = get_layer_version_by_arn  # type: ignore[attr-defined] # new there


@functools.cache
def _keep_the_size_of_tmp() -> None:
    """Let moto's Lambda take a new size of /tmp, which it takes only of a new function."""
    from moto.awslambda.models import LambdaFunction

    original = LambdaFunction.update_configuration

    def update_configuration(self: Any, config_updates: dict[str, Any]) -> Any:
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        original(self, config_updates)
        return self.get_configuration()

    LambdaFunction.update_configuration = update_configuration  # type: ignore[method-assign] # moto's own forgets it


@functools.cache
def _know_limits() -> None:
    """Let moto's Lambda say how much may run at once, and keep whether a function may start itself."""
    from moto.awslambda import urls
    from moto.awslambda.responses import LambdaResponse

    def get_account_settings(self: Any) -> str:
        shares = [
            one.reserved_concurrency for one in self.backend.list_functions() if one.reserved_concurrency
        ]
        limit = {
            "ConcurrentExecutions": ACCOUNT_TOTAL,
            "UnreservedConcurrentExecutions": ACCOUNT_TOTAL - sum(map(int, shares)),
        }
        return json.dumps({"AccountLimit": limit, "AccountUsage": {}})

    def put_function_recursion_config(self: Any) -> str:
        function = self.backend.get_function(self._get_param("FunctionName"))
        function.recursive_loop = self._get_param("RecursiveLoop")
        return json.dumps({"RecursiveLoop": function.recursive_loop})

    def get_function_recursion_config(self: Any) -> str:
        function = self.backend.get_function(self._get_param("FunctionName"))
        return json.dumps({"RecursiveLoop": getattr(function, "recursive_loop", "Terminate")})

    for one in (get_account_settings, put_function_recursion_config, get_function_recursion_config):
        setattr(LambdaResponse, one.__name__, one)
    urls.url_paths["{0}/(?P<api_version>[^/]+)/account-settings/?$"] = LambdaResponse.dispatch
    config = "{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[^/]+)/recursion-config/?$"
    urls.url_paths[config] = LambdaResponse.dispatch


@functools.cache
def _make_mappings_slowly() -> None:
    """Let moto's mapping be `Creating` when it is first looked at, and refuse a change until then."""
    from moto.awslambda.models import EventSourceMapping, LambdaBackend
    from moto.core.exceptions import JsonRESTError

    class InUseError(JsonRESTError):
        code = 400

        def __init__(self) -> None:
            super().__init__("ResourceInUseException", "The mapping is being made.")

    original, update = EventSourceMapping.get_configuration, LambdaBackend.update_event_source_mapping

    def get_configuration(self: Any) -> dict[str, Any]:
        made: dict[str, Any] = original(self)
        looks = self.__dict__["looks"] = self.__dict__.get("looks", 0) + 1
        return made | ({"State": "Creating"} if looks <= CREATING_LOOKS else {})

    def update_event_source_mapping(self: Any, uuid: str, spec: Any) -> Any:
        if self.get_event_source_mapping(uuid).__dict__.get("looks", 0) <= CREATING_LOOKS:
            raise InUseError
        return update(self, uuid, spec)

    EventSourceMapping.get_configuration = get_configuration  # type: ignore[method-assign]
    LambdaBackend.update_event_source_mapping = update_event_source_mapping  # type: ignore[method-assign]


def _wrapped(original: Callable[..., Any], place: int) -> Callable[..., Any]:
    @functools.wraps(original)
    def accepting(self: Any, *given: Any, **named: Any) -> Any:
        if "api_doc" in named:
            named["api_doc"] = _as_openapi(named["api_doc"])
            return original(self, *given, **named)
        return original(self, *given[:place], _as_openapi(given[place]), *given[place + 1 :], **named)

    return accepting


def _as_openapi(document: dict[str, Any]) -> dict[str, Any]:
    """Return a Swagger 2.0 description in the words that moto reads."""
    if "swagger" not in document:
        return document
    made = {name: value for name, value in document.items() if name != "swagger"} | {"openapi": "3.0.1"}
    made["info"] = {"description": "", "version": "1.0"} | document.get("info", {})
    for methods in made["paths"].values():
        for method in methods.values():
            integration = method.get("x-amazon-apigateway-integration") if isinstance(method, dict) else None
            if integration is not None:
                integration.setdefault("uri", "mock")
                integration.setdefault("httpMethod", "POST")
    return made
