"""Errors as problem+json (RFC 9457), the one shape of every refusal.

A problem says what was wrong and what to send instead. It holds no traceback, no SQL and no credential that
the caller sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib import logs
from chalicelib.errors import (
    AmbiguousRunError,
    BundleError,
    IdempotencyError,
    JobDisabledError,
    NoBundleError,
    ParamsError,
    PausedError,
    RunStateError,
    SauronError,
    SpanError,
    StoreError,
    UnknownJobError,
    UnknownRefError,
    UnknownRevisionError,
    UnknownRunError,
    UnknownRunnerError,
    UntilError,
)

log = logs.get(__name__)

CONTENT_TYPE = "application/problem+json"
NOT_UTF_8 = "The address holds percent-encoded bytes that are not UTF-8. Encode text as UTF-8: %C3%BC is ü."
INTERNAL = "Something went wrong inside Sauron. Its log has the details."

_STATUS: dict[type[SauronError], int] = {
    UnknownJobError: 404,
    UnknownRunError: 404,
    AmbiguousRunError: 409,
    UnknownRunnerError: 404,
    UnknownRevisionError: 404,
    JobDisabledError: 400,
    PausedError: 409,
    ParamsError: 422,
    UntilError: 422,
    SpanError: 422,
    UnknownRefError: 422,
    IdempotencyError: 409,
    RunStateError: 409,
    NoBundleError: 409,
    BundleError: 503,
    StoreError: 503,
}
_FACTS = ("job_id", "run_id", "run_ids", "state", "faults", "sha", "key", "removed_at")


class ProblemError(SauronError):
    """A request that is refused before anything is done: status, detail, and facts for the response."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.facts = facts
        super().__init__(detail)


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any
) -> tuple[dict[str, str], str]:
    """Return the headers and the JSON text of a problem; `facts` become members of their own."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **facts,
    }
    return {"Content-Type": CONTENT_TYPE, **(headers or {})}, json.dumps(
        body, ensure_ascii=False, default=str
    )


def response(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any) -> Response:
    """Return a problem as a response."""
    sent, body = problem(status, detail, headers=headers, **facts)
    return Response(body=body, headers={**sent}, status_code=status)


def response_to(error: SauronError) -> Response:
    """Return the response to an error.

    An error that no caller can mend is logged in full; its response stays general.
    """
    if isinstance(error, ProblemError):
        return response(error.status, str(error), headers=error.headers, **error.facts)
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        log.error("request.failed", error=str(error), error_type=type(error).__name__)
        return response(500, INTERNAL)
    facts = {name: value for name in _FACTS if (value := getattr(error, name, None)) is not None}
    return response(status, str(error), **facts)
