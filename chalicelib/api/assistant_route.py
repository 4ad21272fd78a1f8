"""/mcp: the assistant's door, for every client that speaks the Model Context Protocol."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from .problems import ProblemError
from .routing import as_json, current_request, post

blueprint = Blueprint(__name__)

MISSING = (
    "The assistant's door needs the package `mcp`, which is not installed here. In the container it is; "
    "elsewhere: pip install 'sauron[container]'. On Lambda use the HTTP API, which has the same acts."
)


JSON = "application/json"
EMPTY = {"code": -32700, "message": "The body is empty. Send one JSON-RPC message."}


@post(blueprint, "/mcp", returns=JSON, also={202: JSON, 400: JSON, 406: JSON}, refuses=(501,))
def mcp() -> Response:
    """Return the response to one JSON-RPC message of an MCP client. Nothing is kept between two of them."""
    current = current_request()
    if not (current.request.raw_body or b"").strip():
        return as_json({"jsonrpc": "2.0", "id": None, "error": EMPTY}, status=400)
    try:
        from .assistant import protocol
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in protocol_packages():
            raise
        raise ProblemError(501, MISSING) from None
    return protocol.respond(current.request, current.sauron, current.caller)


def protocol_packages() -> frozenset[str]:
    """Return the packages that come with the container alone."""
    return frozenset({"anyio", "mcp", "mcp_types", "starlette"})
