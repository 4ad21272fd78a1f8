"""Query parameters: an unknown name or a value out of range is refused by name, never ignored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from chalice.app import Request

from chalicelib.model.instants import InstantError, read_instant

from .problems import ProblemError

E = TypeVar("E", bound=StrEnum)

RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Query:
    """The query parameters of a request; names outside `known` are refused.

    Every method raises ProblemError 400.
    """

    def __init__(self, request: Request, *known: str) -> None:
        sent = request.query_params
        self._sent: dict[str, list[str]] = {name: sent.getlist(name) for name in sent} if sent else {}
        for name in self._sent:
            if name not in known:
                raise refused(name, f"it does not exist here; send one of {', '.join(known)}")
        for name, values in self._sent.items():
            if any("\x00" in value for value in values):
                raise refused(name, "it holds a NUL character; leave it out")
            if any("\ufffd" in value for value in values):  # where a gateway decoded it
                raise refused(name, "it holds bytes that are not UTF-8; encode text as UTF-8")

    def text(self, name: str) -> str | None:
        """Return a text, None if it is missing or empty."""
        values = self._sent.get(name, [])
        if len(values) > 1:
            raise refused(name, "send it once")
        return (values[0].strip() or None) if values else None

    def texts(self, name: str) -> list[str]:
        """Return the values of a parameter that may be repeated or hold several, separated by commas."""
        return [
            part.strip() for value in self._sent.get(name, []) for part in value.split(",") if part.strip()
        ]

    def kept(self, names: Iterable[str]) -> dict[str, str]:
        """Return what was sent under these names, as it was written, for the links of a page."""
        found = {name: ",".join(self._sent.get(name, ())).strip() for name in names}
        return {name: text for name, text in found.items() if text}

    def whole(self, name: str, *, low: int, high: int, default: int) -> int:
        """Return a whole number in a range."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
            raise refused(name, f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return true or false; a missing parameter is false."""
        text = (self.text(name) or "false").lower()
        if text not in {"true", "1", "yes", "false", "0", "no"}:
            raise refused(name, f"{text!r} is not true or false")
        return text in {"true", "1", "yes"}

    def instant(self, name: str) -> datetime | None:
        """Return an instant in UTC, None if it is missing."""
        text = self.text(name)
        if text is None:
            return None
        try:  # an unescaped plus sign arrives as a space
            return read_instant(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
        except InstantError as error:
            raise refused(name, str(error)) from None

    def written_instant(self, name: str) -> str | None:
        """Return an instant as it was written, None if it is missing: its zone may be known only later."""
        text = self.text(name)  # an unescaped plus sign arrives as a space
        return text and re.sub(r"(?<=\d)([T ]\d\d\S*) (\d\d(:?\d\d)?)$", r"\1+\2", text)

    def among(self, name: str, choices: type[E]) -> list[E]:
        """Return the values of an enumeration."""
        found = self.texts(name)
        for text in found:
            if text not in set(choices):
                raise refused(name, f"{text!r} is not one of {', '.join(choices)}")
        return [choices(text) for text in found]

    def run_id(self, name: str) -> str | None:
        """Return a run's id."""
        text = self.text(name)
        if text is not None and not RUN_ID.fullmatch(text):
            raise refused(name, f"{text!r} is not the id of a run; send the next_after of the page before")
        return text


def refused(name: str, reason: str) -> ProblemError:
    """Return the refusal of a query parameter, by its name."""
    return ProblemError(400, f"Query parameter {name!r}: {reason}.", parameter=name)
