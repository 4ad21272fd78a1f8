"""The fields of a page's form. A field that cannot be read is refused by its name, and nothing is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.api.problems import ProblemError
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ScheduleError

PARAMS = "params."
MAX_REASON = 500


class Form:
    """The fields that a browser sent. Every method raises ProblemError 422 with the field's name."""

    def __init__(self, request: Request) -> None:
        """Read the body of a request: `application/x-www-form-urlencoded`, or nothing."""
        raw = request.raw_body or b""
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
        self._sent = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))

    def text(self, name: str, *, most: int = MAX_REASON) -> str | None:
        """Return a text, None if it is missing or empty."""
        text = self._sent.get(name, "").strip()
        if len(text) > most:
            raise refused(name, f"it is longer than {most} characters")
        return text or None

    def instant(self, name: str, *, zone: str = "UTC") -> datetime | None:
        """Return what a `datetime-local` field says, read in the page's zone; None if it is empty."""
        text = self.text(name)
        if text is None:
            return None
        try:
            local = datetime.fromisoformat(text)
            return (
                local if local.tzinfo else local.replace(tzinfo=find_zone(zone, expression=""))
            ).astimezone(UTC)
        except (ValueError, OverflowError, ScheduleError):
            raise refused(name, f"{text!r} is no time; write it such as 2026-03-02T08:00") from None

    def params(self, schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the params of a run, each of the type that the schema gives it; None if none were sent."""
        properties = (schema or {}).get("properties") or {}
        sent = {name[len(PARAMS) :]: text for name, text in self._sent.items() if name.startswith(PARAMS)}
        found = {name: _typed(name, text, properties.get(name) or {}) for name, text in sent.items() if text}
        for name, one in properties.items():  # a box that is not ticked is not sent
            if isinstance(one, Mapping) and one.get("type") == "boolean" and sent and name not in sent:
                found[name] = False
        return found or None


def _typed(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "boolean":
        return text.lower() in {"on", "true", "1", "yes"}
    if kind == "string" or (kind is None and "enum" in schema and text in schema["enum"]):
        return text
    try:
        return json.loads(text)
    except ValueError:
        if kind in {"integer", "number"}:
            raise refused(f"{PARAMS}{name}", f"{text!r} is not a number") from None
        if kind in {"array", "object"}:
            raise refused(f"{PARAMS}{name}", f"{text!r} is not JSON; write a list or an object") from None
        return text


def refused(name: str, why: str) -> ProblemError:
    """Return the refusal of a field."""
    return ProblemError(422, f"Field {name!r}: {why}.", faults=[f"{name}: {why}"])
