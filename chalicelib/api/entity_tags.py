"""Entity tags: a client that has a response already is told so, and gets no body (RFC 9110, section 8.8).

A tag is a digest of the body, so it is the same in every process that would send the same body.
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus

from chalice.app import Request, Response

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def with_tag(request: Request, response: Response) -> Response:
    """Return a response to GET or HEAD with its tag, or 304 if the request names that tag."""
    if request.method not in {"GET", "HEAD"} or response.status_code != HTTPStatus.OK:
        return response
    tag = f'"{hashlib.sha256(response.body.encode()).hexdigest()[:32]}"'
    if _names(request.headers.get("if-none-match", ""), tag):
        return Response(body="", headers={"ETag": tag}, status_code=HTTPStatus.NOT_MODIFIED)
    response.headers["ETag"] = tag
    return response


def _names(sent: str, tag: str) -> bool:
    return sent.strip() == "*" or tag in _TAG.findall(sent)
