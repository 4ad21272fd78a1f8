"""What every request passes on its way in and out.

In: its size, the site it comes from, its token. Out: every refusal is a problem (a page for browsers), no
answer is cached, a HEAD has no body. A fault inside is logged and answered without internals.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalice.app import Request, Response

from chalicelib import logs
from chalicelib.errors import SauronError
from chalicelib.web.rendering import render
from chalicelib.wiring import PROCESS

from . import problems
from .auth import EVERYONE, admit, is_page, is_public, refuse_other_sites
from .problems import ProblemError
from .routing import Call, answering, mount

log = logs.get(__name__)

MAX_BODY = 64 * 1024


def gate(request: Request, view: Callable[[Request], Response]) -> Response:
    """Chalice's middleware for HTTP."""
    try:
        answer = _admitted(request, view)
    except SauronError as error:
        answer = problems.of(error)
    except Exception:
        log.exception("request.failed", path=request.path)
        answer = problems.response(500, problems.INTERNAL)
    answer = _shaped(answer)
    if (
        answer.status_code >= 400  # noqa: PLR2004 - HTTP
        and is_page(str(request.path))
        and "text/html" in request.headers.get("accept", "")
    ):
        answer = _as_page(request, answer)
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    if request.method == "HEAD":
        answer.body = ""
    return answer


def _admitted(request: Request, view: Callable[[Request], Response]) -> Response:
    if len(request.raw_body or b"") > MAX_BODY:
        raise ProblemError(413, f"The body is larger than {MAX_BODY // 1024} KB. Send less.")
    caller = EVERYONE if is_public(request) else admit(request, PROCESS.settings())
    refuse_other_sites(request)
    return answering(Call(request, caller), lambda: view(request))


def _shaped(answer: Response) -> Response:
    """Give what Chalice itself refused (405, 415, 500) our shape."""
    body: Any = answer.body
    if not (isinstance(body, dict) and set(body) == {"Code", "Message"}):
        return answer
    kept = {name: str(value) for name, value in answer.headers.items() if name.lower() == "allow"}
    detail = problems.INTERNAL if answer.status_code == 500 else f"{body['Message']}."  # noqa: PLR2004 - HTTP
    return problems.response(answer.status_code, detail, headers=kept)


def _as_page(request: Request, answer: Response) -> Response:
    said = json.loads(answer.body)
    kept = {
        name: value for name, value in answer.headers.items() if name.lower() in {"allow", "www-authenticate"}
    }
    text, headers = render("problem.html", problem=said, mount=mount(request))
    return Response(body=text, headers={**headers, **kept}, status_code=answer.status_code)
