"""Texts that several modules write: spans of time, what a person's terminal and what a store can hold.

What a job, a bundle or a commit holds may come from anywhere, and a terminal obeys control sequences: they
clear the screen, move the cursor, set the clipboard or hide text. `safe` lets colours pass on a terminal;
every other sequence goes as a whole, and so do control characters and direction marks. A carriage return
becomes a new line where text would hide the text before it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sauron_jobs_loader.tls_fault import tls_fault

_WEEK = timedelta(days=6)
_GB = 1024  # MiB
_STEPS = ((86400 * 2, 86400, "d"), (7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))
_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\U000e0001"  # direction marks and their like
_CONTROL = f"\x00-\x08\x0b-\x1f\x7f-\x9f{_MARKS}"  # all but tabs and line feeds
LINE_ENDS = "\n\r\x85\u2028\u2029"
_STRING = "(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*"  # a title, a clipboard, a picture
_ANY = re.compile(f"[{_CONTROL}]")
SEQUENCE = re.compile(
    "(?P<colour>\x1b\\[[0-9;:]{0,99}m)"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    f"|{_STRING}(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]"
    f"|[{_CONTROL}]"
)
UNFINISHED = re.compile(f"(?:\x1b[ -/]*|(?:\x1b\\[|\x9b)[0-?]*[ -/]*|{_STRING}\x1b?)\\Z")
_LONGEST = 4096  # letters of a sequence that are waited for
_IN_JSON = re.compile(f"[\x7f-\x9f{_MARKS}\ud800-\udfff]")  # the last are not text, so nothing can print them
_NO_LINE = re.compile(f"[{_CONTROL}{LINE_ENDS}\ud800-\udfff]")
_JOINERS = "\u200c\u200d"  # within words of some scripts, and within emoji
RESET = "\x1b[0m"
_CONCEAL = 8
_PALETTE = {38, 48, 58}  # the numbers of a colour follow: 5 and one, or 2 and three
_NUMBERS = {5: 2, 2: 4}


def ago(instant: datetime, now: datetime) -> str:
    """Say how far an instant is from now: "in 5 min", "3 h ago"."""
    seconds = (instant - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = about(abs(seconds))
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def about(seconds: float) -> str:
    """Say about how long something takes, in one unit: "45 s", "16 min", "3 h", "2 d".

    A negative span, between a clock's instants before and after it was set back, is 0.
    """
    seconds = max(0.0, seconds)
    unit, name = next((unit, name) for above, unit, name in _STEPS if seconds >= above)
    return f"{int(seconds // unit)} {name}"


def on(instant: datetime, now: datetime) -> str:
    """Say when something was or will be, as short as is clear: "02:30", "Thu 02:30", "9 Nov"."""
    if instant.date() == now.date():
        return f"{instant:%H:%M}"
    return f"{instant:%a %H:%M}" if abs(instant - now) < _WEEK else f"{instant.day} {instant:%b}"


def taken(seconds: float) -> str:
    """Say how long something took: "0.4 s", "12 s", "3 min 5 s", "5 min", "2 h". A negative span is 0."""
    seconds = max(0.0, seconds)
    if seconds < 10:  # noqa: PLR2004 - tenths matter while they can be seen
        return f"{seconds:.1f} s"
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {whole % 60} s" if whole % 60 else f"{minutes} min"
    return f"{whole} s"


def listed(words: Sequence[str], *, most: int | None = None) -> str:
    """Return words as a sentence holds them: "a", "a and b", "a, b and 4 more"."""
    if most is not None and len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def capitalized(text: str) -> str:
    """Return a text with its first letter large; the others stay as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def memory(mb: float) -> str:
    """Say an amount of memory, which is given in MiB."""
    return f"{mb / _GB:.1f} GB" if round(mb) >= _GB else f"{mb:.0f} MB"


def counted(count: int, noun: str) -> str:
    """Say how many of something there are: "1 row", "0 rows", "12 rows"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def unreachable(error: Exception, seconds: float) -> str:
    """Say why an address could not be asked, without any of the address but its host."""
    import httpx

    if isinstance(error, httpx.TransportError) and (fault := tls_fault(str(error))):
        return fault
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {seconds:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({error})"
    return f"the connection broke ({type(error).__name__})"


def not_of_a_line(text: str) -> str | None:
    """Return the first character that no line of text holds: a line end, control character or lone byte."""
    found = _NO_LINE.search(text)
    return found and found[0]


def storable(value: Any) -> Any:
    """Return what a store can hold of a JSON value: no lone surrogate, no NUL, null for NaN and infinity."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


class Cleaner:
    """Makes text safe as it comes. What may be the beginning of a sequence waits for the rest of it."""

    def __init__(self, *, colours: bool) -> None:
        """Begin a text; with `colours`, these pass."""
        self._colours = colours
        self._held = ""
        self._line_begins = True
        self._returned = False
        self._coloured = False

    def feed(self, text: str) -> str:
        """Take text and return what is complete, made safe."""
        text = self._held + text
        unfinished = UNFINISHED.search(text, max(0, len(text) - _LONGEST))
        complete = unfinished.start() if unfinished else len(text)
        self._held = text[complete:]
        return self._clean(text[:complete])

    def end(self) -> str:
        """Return what was held back, and the end of the colours that are still on."""
        text, self._held = self._held, ""
        return self._clean(text) + (RESET if self._coloured else "")

    def _clean(self, text: str) -> str:
        shown: list[str] = []
        done = 0
        for found in SEQUENCE.finditer(text):
            self._add(shown, text[done : found.start()])
            done = found.end()
            if found[0] == "\r":
                self._returned = True
            elif found["colour"] and self._colours and not conceals(found[0]):
                shown.append(found[0])
                self._coloured = found[0] not in {"\x1b[m", RESET}
        self._add(shown, text[done:])
        return "".join(shown)

    def _add(self, shown: list[str], text: str) -> None:
        if not text:
            return
        if self._returned and not self._line_begins and not text.startswith("\n"):
            shown.append("\n")
        shown.append(text)
        self._returned, self._line_begins = False, text.endswith("\n")


def safe(text: str, *, colours: bool = False) -> str:
    """Return a text of one or more lines without what a terminal obeys; with `colours`, these pass."""
    if _ANY.search(text) is None:
        return text
    cleaner = Cleaner(colours=colours)
    return cleaner.feed(text) + cleaner.end()


def readable(value: Any) -> Any:
    """Return a JSON value whose texts hold nothing that a terminal obeys."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, Mapping):
        return {safe(str(key)): readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list | tuple) else value


def holds_control(text: str) -> bool:
    """Return whether a text holds anything but letters, tabs and line feeds."""
    return _ANY.search(text) is not None


def cell(text: str) -> str:
    """Return a text as one line, without what a terminal obeys."""
    return "".join(letter if letter.isprintable() or letter in _JOINERS else " " for letter in safe(text))


def escaped(document: str) -> str:
    """Return a JSON document with what a terminal obeys written as JSON escapes. Its value is the same."""
    return _IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], document)


def conceals(colour: str) -> bool:
    """Return whether a colour sequence hides the text after it."""
    numbers = iter([int(number.partition(":")[0] or 0) for number in colour[2:-1].split(";")])
    for number in numbers:
        if number == _CONCEAL:
            return True
        if number in _PALETTE:
            for _ in range(_NUMBERS.get(next(numbers, 0), 1) - 1):
                next(numbers, None)
    return False
