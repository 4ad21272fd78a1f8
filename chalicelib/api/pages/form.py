"""The fields of a page's form. A field that cannot be read is refused by its name, and nothing is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from chalice.app import Request

from chalicelib.api.content import content_type
from chalicelib.api.problems import ProblemError
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ScheduleError
from chalicelib.model.instants import InstantError
from chalicelib.operations import acts

from . import param_fields
from .zone import TZ, page_zone, read_local, unknown_zone

PARAMS = param_fields.PREFIX
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_REASON = 500
MAX_KEY = 255
MAX_FIELDS = 200
CONFIRM, ASK, KEY, CHOICE = "confirm", "ask", "key", "choice"  # what the forms of acts that ask have
_ALWAYS = frozenset({"reason", TZ, CONFIRM, ASK, KEY, CHOICE})


def typed(request: Request) -> dict[str, str]:
    """Return what a form was filled with, to show it again; of a repeated field the last value."""
    try:
        return dict(_pairs(request))
    except ValueError:
        return {}


def repeated(request: Request, name: str) -> list[str]:
    """Return the values of a field that may be repeated, each once."""
    try:
        return list(dict.fromkeys(value for one, value in _pairs(request) if one == name))
    except ValueError:
        return []


def _pairs(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form. Raises ValueError if there are too many."""
    raw = request.raw_body or b""
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)


class Form:
    """The fields that a browser sent. Every method raises ProblemError 422 with the field's name."""

    def __init__(self, request: Request, *known: str, many: Collection[str] = ()) -> None:
        """Read the body of a request: `application/x-www-form-urlencoded`, or nothing.

        `known` are the fields that the form may have beside `reason` and those of acts that ask; `params.`
        stands for all params. Fields in `many` may be repeated.
        """
        if (request.raw_body or b"").strip() and content_type(request) != FORM_TYPE:
            raise ProblemError(415, f"A form is sent with 'Content-Type: {FORM_TYPE}'.")
        try:
            pairs = _pairs(request)
        except ValueError:
            raise ProblemError(422, f"The form has more than {MAX_FIELDS} fields. Send fewer.") from None
        self._sent: dict[str, str] = {}
        for name, value in pairs:
            own = name in known or name in many or name in _ALWAYS
            if not (own or (PARAMS in known and name.startswith(PARAMS))):
                raise refused(name, "the form has no such field")
            if "\0" in name + value or "\ufffd" in value:
                raise refused(name, "it holds a character that cannot be stored")
            if name in self._sent and name not in many:
                raise refused(name, "send it once")
            self._sent[name] = value
        acts.describe(reason=self.text("reason"))

    def text(self, name: str, *, most: int = MAX_REASON) -> str | None:
        """Return a text, None if it is missing or empty."""
        text = self._sent.get(name, "").strip()
        if len(text) > most:
            raise refused(name, f"it is longer than {most} characters")
        return text or None

    def filled(self, name: str) -> bool:
        """Return whether a field holds anything."""
        return bool(self.text(name))

    def key(self) -> str | None:
        """Return what tells a form that is sent twice from a second wish."""
        return self.text(KEY, most=MAX_KEY)

    def zone(self) -> ZoneInfo:
        """Return the page's zone: that of the form, else that of the address."""
        name = self.text(TZ)
        try:
            return find_zone(name, expression=None) if name else page_zone()
        except ScheduleError:
            raise refused(TZ, unknown_zone(str(name)).rstrip(".")) from None

    def instant(self, name: str) -> datetime | None:
        """Return what a `datetime-local` field says, read in the page's zone; None if it is empty."""
        text = self.text(name)
        try:
            return None if text is None else read_local(text, self.zone()).instant
        except InstantError as error:
            raise refused(name, str(error).rstrip(".")) from None

    def params(self, schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the params of a run, each of the type that the schema gives it; None if none were sent.

        A form that shows the params has the field `params.`: a box that is not ticked is not sent.
        """
        sent = {name[len(PARAMS) :]: text for name, text in self._sent.items() if name.startswith(PARAMS)}
        try:
            return param_fields.read(sent, schema)
        except param_fields.FieldsError as error:
            raise refused_all([(f"{PARAMS}{one.name}", one.why) for one in error.faults]) from None


def refused(name: str, why: str) -> ProblemError:
    """Return the refusal of a field."""
    return refused_all([(name, why)])


def refused_all(faults: Sequence[tuple[str, str]]) -> ProblemError:
    """Return the refusal of several fields, each with its name and why."""
    detail = " ".join(f"Field {name!r}: {why}." for name, why in faults)
    return ProblemError(422, detail, faults=[f"{name}: {why}" for name, why in faults])
