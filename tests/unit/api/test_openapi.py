from __future__ import annotations

from tests.unit.api.client import Client
from tests.unit.api.conftest import Build
from tests.unit.api.documented import the_document


def test_the_document_is_open_to_everyone_like_health(build: Build, client: Client) -> None:
    for settings in ({}, {"SAURON_API_TOKENS": "maria:admin:a-token-of-some-length"}):
        build(**settings)
        got = client.get("/openapi.json")
        assert (got.status, got.headers["content-type"]) == (200, "application/json")
        assert got.json == the_document()
    build(AWS_LAMBDA_FUNCTION_NAME="sauron-dev")
    assert client.get("/openapi.json").status == 200
    assert client.get("/jobs").status == 401
