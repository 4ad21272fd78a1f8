"""The target of a request line, read once: the path as it was sent, its query, and the host it may name.

A proxy in front of Sauron and Sauron must read one path from one line, or the proxy's rules protect another
path than the one that is served (RFC 9112, section 3.2; RFC 3986, section 3.3). So nothing is merged, cut off
or resolved here: an empty segment and a dot segment lead nowhere, and `;x=1` belongs to its segment. Segments
stay percent-encoded; the routes decode them.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from chalicelib.api.problems import NOT_UTF_8
from chalicelib.errors import SauronError

_FORM = re.compile(r"(?:(?i:https?)://(?P<authority>[^/?]+))?(?P<path>(?:/[^?]*)?)(?:\?(?P<query>.*))?")


class TargetError(SauronError):
    """A target that leads nowhere; `status` is the HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """What a request line asks for. `authority` is that of a target with a scheme, None for a mere path."""

    segments: tuple[str, ...]
    query: dict[str, list[str]]
    authority: str | None

    @property
    def path(self) -> str:
        """The path, without a slash at its end."""
        return "/" + "/".join(self.segments)

    def captured(self, route: str) -> dict[str, str] | None:
        """Return the parameters of a route such as `/jobs/{job_id}`; None if it is not this path's."""
        wanted = _segments_of_route(route)
        if len(wanted) != len(self.segments):
            return None
        found = {}
        for want, sent in zip(wanted, self.segments, strict=True):
            if want.startswith("{"):
                found[want.strip("{}")] = sent
            elif want != sent:
                return None
        return found


def read_target(method: str, target: str) -> RequestTarget:
    """Read the target of a request. Raises TargetError: 400 for one that HTTP does not know, else 404."""
    if method == "OPTIONS" and target == "*":  # the server as a whole (RFC 9110, section 9.3.7)
        target = "/"
    if re.search(r"[^\x21-\x7e]|#", target):
        raise TargetError(
            400, "The target of the request holds a character that must be percent-encoded, or a fragment."
        )
    try:
        unquote(target, errors="strict")
    except UnicodeDecodeError:
        raise TargetError(400, NOT_UTF_8) from None
    form = _FORM.fullmatch(target)
    if form is None or not (form["path"] or form["authority"]):
        raise TargetError(400, "The target of the request is not a path. Write for example GET /jobs.")
    segments = _segments(form["path"])
    if any(not segment for segment in segments):
        raise TargetError(404, "The path has two slashes in a row. Write one.")
    if any(unquote(segment) in {".", ".."} for segment in segments):
        raise TargetError(404, "The path has a segment of dots. Write the path that it would lead to.")
    query = parse_qs(form["query"] or "", keep_blank_values=True)
    return RequestTarget(segments, query, form["authority"])


def _segments(path: str) -> tuple[str, ...]:
    """Return the segments of a path; one slash at its end counts for nothing, as for API Gateway."""
    if path in {"", "/"}:
        return ()
    return tuple(path.removeprefix("/").removesuffix("/").split("/"))


_segments_of_route = functools.cache(_segments)
