"""The forms of a crontab's lines, as cron itself reads them: environment, schedule and command, `%`."""

from __future__ import annotations

import re
from typing import NamedTuple

_BLANK = " \t"
_ALIAS = re.compile(r"(@\S+)[ \t]+(.*)", re.DOTALL)
_BEGINS = re.compile(r"[\d*?~A-Za-z]")  # how a field of a schedule may begin, also one that is wrong
_NUMERIC = re.compile(r"[*?\d][\d*?,/LW#-]*")  # no program has such a name
_NAMED = re.compile(r"(?:sun|mon|tue|wed|thu|fri|sat)(?:[-,#/][a-z0-9]+)*", re.IGNORECASE)
FIVE = 5


class ScheduledLine(NamedTuple):
    """A line's fields, or its alias, and what stands behind them."""

    fields: tuple[str, ...]
    rest: str


def environment(line: str) -> tuple[str, str] | None:
    """Return name and value of an environment line, None for another line.

    Blanks around `=` do not count. Name and value may stand in quotes, which keep the blanks within. Nothing
    is replaced in a value, and without quotes it goes to the end of the line.
    """
    name, rest = _quoted_or(line.lstrip(_BLANK), r"[^\s=]+")
    if not name or not (found := re.match(r"\s*=\s*", rest)):
        return None
    rest = rest[found.end() :].rstrip()
    if rest[:1] not in ("'", '"'):
        return name, rest
    value, behind = _quoted_or(rest, "")
    return None if value is None or behind.strip() else (name, value)


def _quoted_or(text: str, plain: str) -> tuple[str | None, str]:
    """Return what stands in quotes at the beginning of a text, or matches a pattern, and the rest."""
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        return (None, text) if end < 0 else (text[1:end], text[end + 1 :])
    found = re.match(plain, text)
    return (None, text) if found is None else (found[0], text[found.end() :])


def scheduled(line: str) -> ScheduledLine | None:
    """Return the schedule of a line and what stands behind it, None for another line.

    A schedule has five fields, with the seconds and years that supercronic knows six or seven, or is an
    alias. A dash before it tells some crons to log nothing.
    """
    text = line.lstrip(_BLANK)
    if text[:1] == "-" and re.match(r"-[\d*@]", text):
        text = text[1:]
    if text.startswith("@"):
        found = _ALIAS.fullmatch(text)
        return ScheduledLine((found[1],), found[2]) if found else ScheduledLine((text.rstrip(),), "")
    words = re.split(r"[ \t]+", text)
    if len(words) < FIVE or not all(_BEGINS.match(word) for word in words[:FIVE]):
        return None
    if not any(_NUMERIC.fullmatch(word) for word in words[:FIVE]):
        return None
    count = _fields(words)
    *fields, rest = [*re.split(r"[ \t]+", text, maxsplit=count), ""][: count + 1]
    return ScheduledLine(tuple(fields), rest)


def _fields(words: list[str]) -> int:
    """Return how many of a line's words are fields of its schedule."""
    sixth, seventh = [*words[FIVE : FIVE + 2], "", ""][:2]
    if _NUMERIC.fullmatch(seventh) and (_NUMERIC.fullmatch(sixth) or _NAMED.fullmatch(sixth)):
        return FIVE + 2
    return FIVE + 1 if _NUMERIC.fullmatch(sixth) else FIVE


def command(text: str) -> tuple[str, str | None]:
    r"""Return a command as its shell reads it, and what it reads from its input.

    The first `%` ends the command; further ones are line breaks of the input, which ends in one. `\%` is the
    character itself. None: no `%`, so no input.
    """
    out, escaped = [], False
    for place, letter in enumerate(text):
        if escaped:
            if letter == "%":
                out.pop()
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "%":
            return "".join(out), _input(text[place + 1 :]) or None
        out.append(letter)
    return "".join(out), None


def _input(text: str) -> str:
    out, escaped = [], False
    for letter in text:
        if escaped and letter != "%":
            out.append("\\")
        shown = "\n" if letter == "%" and not escaped else letter
        escaped = letter == "\\"
        if not escaped:
            out.append(shown)
    if escaped:
        out.append("\\")
    written = "".join(out)
    return written if not written or written.endswith("\n") else written + "\n"
