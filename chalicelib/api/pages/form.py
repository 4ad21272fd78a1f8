"""The fields of a page's form. A field that cannot be read is refused by its name, and nothing is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.api.content import content_type
from chalicelib.api.problems import ProblemError
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ScheduleError
from chalicelib.operations import acts

PARAMS = "params."
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_REASON = 500
MAX_FIELDS = 200


class Form:
    """The fields that a browser sent. Every method raises ProblemError 422 with the field's name."""

    def __init__(self, request: Request, *known: str) -> None:
        """Read the body of a request: `application/x-www-form-urlencoded`, or nothing.

        `known` are the fields that the form may have beside `reason`; `params.` stands for all params.
        """
        raw = request.raw_body or b""
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
        if text.strip() and content_type(request) != FORM_TYPE:
            raise ProblemError(415, f"A form is sent with 'Content-Type: {FORM_TYPE}'.")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            raise ProblemError(422, f"The form has more than {MAX_FIELDS} fields. Send fewer.") from None
        self._sent: dict[str, str] = {}
        for name, value in pairs:
            if not (name in known or name == "reason" or (PARAMS in known and name.startswith(PARAMS))):
                raise refused(name, "the form has no such field")
            if name in self._sent:
                raise refused(name, "send it once")
            if "\0" in name + value or "\ufffd" in value:
                raise refused(name, "it holds what is no text")
            self._sent[name] = value
        acts.describe(reason=self.text("reason"))

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
        """Return the params of a run, each of the type that the schema gives it; None if none were sent.

        A form that shows the params has the empty field `params.`: a box that is not ticked is not sent.
        """
        declared = (schema or {}).get("properties")
        properties = declared if isinstance(declared, Mapping) else {}
        sent = {name[len(PARAMS) :]: text for name, text in self._sent.items() if name.startswith(PARAMS)}
        shown = sent.pop("", None) is not None
        found = {name: _typed(name, text, properties.get(name)) for name, text in sent.items() if text}
        if shown:
            boxes = [name for name, one in properties.items() if isinstance(one, Mapping)]
            found |= {
                name: False
                for name in boxes
                if properties[name].get("type") == "boolean" and name not in sent
            }
        return found or None


def _typed(name: str, text: str, declared: Any) -> Any:
    schema: Mapping[str, Any] = declared if isinstance(declared, Mapping) else {}
    kind = schema.get("type")
    if kind == "boolean":
        return text.lower() in {"on", "true", "1", "yes"}
    if _takes_text(schema) or text in (schema.get("enum") or ()):
        return text
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # NaN and infinity are no JSON
    except (ValueError, RecursionError):
        if kind in ("integer", "number"):
            raise refused(f"{PARAMS}{name}", f"{text:.80} is not a number") from None
        if kind in ("array", "object"):
            raise refused(f"{PARAMS}{name}", f"{text:.80} is not JSON; write a list or an object") from None
        return text
    else:
        return value


def _takes_text(schema: Mapping[str, Any]) -> bool:
    """Whether a value may be a text: then it is taken as written, also where it looks like a number."""
    kind = schema.get("type")
    branches = [
        one for name in ("anyOf", "oneOf") for one in schema.get(name) or () if isinstance(one, Mapping)
    ]
    return "string" in (kind if isinstance(kind, list) else [kind]) or any(map(_takes_text, branches))


def refused(name: str, why: str) -> ProblemError:
    """Return the refusal of a field."""
    return ProblemError(422, f"Field {name!r}: {why}.", faults=[f"{name}: {why}"])
