"""An httpx client of the application in this process: the server's gateway without a socket."""

from __future__ import annotations

import httpx

from chalicelib.api.auth import internal_token
from chalicelib.wiring import PROCESS, Sauron
from sauron.gateway import Gateway


class GatewayTransport(httpx.BaseTransport):
    """An httpx transport that hands requests to a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        """Hand requests to this gateway."""
        self._gateway = gateway

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the gateway's response."""
        response = self._gateway.handle(
            request.method, request.url.raw_path.decode("ascii"), dict(request.headers), request.read()
        )
        return httpx.Response(response.status, headers=list(response.headers), content=response.body)


def client(sauron: Sauron, *, by: str) -> httpx.Client:
    """Return a client of the application on this Sauron; `by` is recorded with its acts."""
    from app import app

    PROCESS.set(sauron)
    headers = {"Authorization": f"Bearer {internal_token()}", "X-Sauron-By": by}
    return httpx.Client(transport=GatewayTransport(Gateway(app)), base_url="http://sauron", headers=headers)
