"""/mcp: the assistant's door, for every client that speaks the Model Context Protocol."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from .problems import ProblemError
from .routing import current_request, post

blueprint = Blueprint(__name__)

MISSING = (
    "The assistant's door needs the package `mcp`, which is not installed here. In the container it is; "
    "elsewhere: pip install 'sauron[container]'. On Lambda use the HTTP API, which has the same acts."
)


@post(blueprint, "/mcp", returns="application/json", refuses=(406, 501))
def mcp() -> Response:
    """Return the response to one JSON-RPC message of an MCP client. Nothing is kept between two of them."""
    try:
        from .assistant import protocol
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in protocol_packages():
            raise
        raise ProblemError(501, MISSING) from None
    current = current_request()
    return protocol.respond(current.request, current.sauron, current.caller)


def protocol_packages() -> frozenset[str]:
    """Return the packages that come with the container alone."""
    return frozenset({"anyio", "mcp", "mcp_types", "starlette"})
