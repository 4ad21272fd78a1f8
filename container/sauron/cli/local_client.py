"""The application in this process as something httpx can talk to: no socket, the same gateway as the server's."""

from __future__ import annotations

import httpx

from chalicelib import wiring
from chalicelib.api.auth import internal_token
from chalicelib.wiring import Sauron
from sauron.gateway import Gateway


class GatewayTransport(httpx.BaseTransport):
    """Answers httpx's requests by a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        """Return by one gateway."""
        self._gateway = gateway

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return one request."""
        answer = self._gateway.handle(
            request.method, request.url.raw_path.decode("ascii"), dict(request.headers), request.read()
        )
        return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)


def client(sauron: Sauron, *, by: str) -> httpx.Client:
    """Return a client of the application over this Sauron; `by` is noted with what is done."""
    from app import app

    wiring.use(sauron)
    headers = {"Authorization": f"Bearer {internal_token()}", "X-Sauron-By": by}
    return httpx.Client(transport=GatewayTransport(Gateway(app)), base_url="http://sauron", headers=headers)
