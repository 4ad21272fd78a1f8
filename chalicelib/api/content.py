"""What the content of a request may be: of a type that is read here, and neither compressed nor encoded."""

from __future__ import annotations

from chalice.app import Request

from .problems import ProblemError

BODY_BYTES = 64 << 10  # the longest body
PUSH_BYTES = 25 << 20  # of a push, on its route alone: what GitHub sends at most
PUSH_ROUTE = "/hooks/git"
TYPES = frozenset({"application/json", "application/x-www-form-urlencoded", "text/plain"})


def refuse_unreadable(request: Request) -> None:
    """Raise ProblemError 415 for content that no handler reads: its type is another, or it is compressed.

    Without content, and with GET and HEAD, these headers say nothing (RFC 9110, sections 8.3 and 9.3.1).
    """
    if request.method in {"GET", "HEAD"} or not (request.raw_body or b"").strip():
        return
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise ProblemError(
            415,
            f"The body is compressed or encoded (Content-Encoding: {coding:.40}). Send it as it is.",
            headers={"Accept-Encoding": "identity"},  # RFC 9110, section 15.5.16
        )
    if (kind := content_type(request)) not in TYPES:
        raise wrong_type(kind)


def most_bytes(path: str) -> int:
    """Return how long the body of a request for a path may be."""
    return PUSH_BYTES if path == PUSH_ROUTE else BODY_BYTES


def content_type(request: Request) -> str:
    """Return the content type in lower case and without its parameters."""
    kind: str = request.headers.get("content-type") or "application/json"
    return kind.partition(";")[0].strip().lower()


def wrong_type(kind: str) -> ProblemError:
    """Return the refusal of a content type."""
    return ProblemError(
        415, f"The content type of the body is {kind:.80}. Send JSON with 'Content-Type: application/json'."
    )
