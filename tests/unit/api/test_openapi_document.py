from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

import app as application
from chalicelib.api.auth import is_page
from chalicelib.api.openapi_document import document, response_models
from chalicelib.api.routing import Contract, Route, declared
from tests.attack.credentials import NEEDS, PUBLIC
from tests.unit.api.documented import the_document


def operations() -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in the_document()["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.slow
def test_the_document_is_openapi_3_1() -> None:
    validate(the_document())
    assert the_document()["openapi"] == "3.1.0"


def test_every_route_that_is_no_page_says_what_it_takes_and_returns() -> None:
    routes = declared(application.app)
    silent = [one.path for one in routes if one.contract.returns is None and not is_page(one.path)]
    assert silent == [], "give these routes `returns`: see CONTRIBUTING.md"
    assert set(operations()) == {
        route for route in NEEDS.keys() | PUBLIC if not is_page(route.partition(" ")[2])
    }


def test_each_operation_names_the_scope_that_it_needs() -> None:
    for route, operation in operations().items():
        if route in PUBLIC:
            assert operation["security"] == []
            signed = route == "POST /hooks/git"  # it proves a secret of its own
            assert ("401" in operation["responses"]) is signed
        else:
            assert f"Needs a token of scope `{NEEDS[route]}`." in operation["description"]
            assert {"401", "403", "429", "503"} <= set(operation["responses"])


def test_a_body_is_what_validates_it_and_its_refusals_are_told() -> None:
    for route, operation in operations().items():
        told = {"413", "415", "422"} & set(operation["responses"])
        if "requestBody" in operation:
            assert told == {"413", "415", "422"}
        elif route != "GET /simulate":  # its times are held against each other
            assert told == ({"413", "415"} if route.startswith("POST") else set())
    schemas = the_document()["components"]["schemas"]
    assert schemas["TriggerBody"]["additionalProperties"] is False
    assert schemas["RollbackBody"]["properties"]["sha"]["pattern"] == "^[0-9a-fA-F]{7,40}$"
    assert operations()["POST /rollback"]["requestBody"]["required"] is True
    assert operations()["POST /sync"]["requestBody"]["required"] is False


def test_lists_document_their_cursor_and_trigger_its_idempotency_key() -> None:
    for path in ("/jobs", "/runs"):
        assert "after" in {one["name"] for one in operations()[f"GET {path}"]["parameters"]}
    for page in ("JobPage", "RunPage", "UpcomingPage", "Audit"):
        assert {"count", "next_after"} <= set(the_document()["components"]["schemas"][page]["required"])
    headers = [
        one["name"]
        for one in operations()["POST /jobs/{job_id}/trigger"]["parameters"]
        if one["in"] == "header"
    ]
    assert headers == ["Idempotency-Key"]


def test_every_reference_leads_somewhere_and_every_shape_is_used() -> None:
    whole = the_document()
    references = set(re.findall(r"'#/components/(\w+)/(\w+)'", str(whole)))
    assert all(name in whole["components"][kind] for kind, name in references)
    assert set(whole["components"]["schemas"]) == {name for kind, name in references if kind == "schemas"}
    bases = {"Returned", "Page"}
    assert set(response_models()) - bases <= set(whole["components"]["schemas"])


def test_a_shape_that_does_not_exist_is_an_error() -> None:
    route = Route("GET", "/x", lambda: None, Contract(returns="NoSuchShape"))
    with pytest.raises(KeyError, match="NoSuchShape"):
        document([route])
