from __future__ import annotations

from typing import Any

import httpx
from chalice.app import Chalice

from sauron.cli.local_client import GatewayTransport
from sauron.gateway import Gateway


def test_a_request_goes_through_the_gateway_without_a_socket() -> None:
    app = Chalice(app_name="local", configure_logs=False)

    @app.route("/echo/{name}", methods=["POST"])
    def echo(name: str) -> dict[str, Any]:
        request: Any = app.current_request
        return {"name": name, "body": request.json_body, "query": dict(request.query_params or {})}

    with httpx.Client(transport=GatewayTransport(Gateway(app)), base_url="http://sauron") as client:
        response = client.post("/echo/a%20b", params={"q": "1"}, json={"x": 1})
        assert response.json() == {"name": "a%20b", "body": {"x": 1}, "query": {"q": "1"}}
        assert client.get("/nothing").status_code == 404
