"""A schedule in words, for people: "at 08:00, Monday to Friday (Europe/Berlin)".

cron-descriptor writes the sentence. It is given each field in the form it reads well, and what it gets wrong
is set right: days that must both hold, the last day among others, several weekdays of the month. An
expression that it cannot read is shown as it stands, so a valid schedule always has a text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .fields import DAY_OF_WEEK, FIELDS, HOUR, LAST_DAY, MINUTE, CronField, CronFields
from .schedule import Schedule

_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_FEW = 12  # values that still read better as a list than as a step


@lru_cache(maxsize=4096)
def describe(expression: str, zone: str = "UTC") -> str:
    """Say in English when a schedule fires, on a 24-hour clock, with its zone; ScheduleError if refused."""
    fields = Schedule.parse(expression, zone).fields
    return f"{_sentence(fields) or f'cron {expression.strip()}'} ({zone})"


def _sentence(fields: CronFields) -> str | None:
    minute, hour, day, month, weekday = (
        _plain(field, text, values)
        for field, text, values in zip(FIELDS, fields.texts, fields.values, strict=True)
    )
    if not fields.both_days and "*" in (day, weekday):
        day = weekday = "*"  # one of the alternatives holds on every day
    parts: list[str] = []
    if fields.nth or LAST_DAY in fields.values[2]:
        parts = [part for part in (_days(fields, day), _weekdays(fields, weekday)) if part]
        day = weekday = "*"
    text = _described(f"{minute} {hour} {day} {month} {weekday}")
    if text is None:
        return None
    glue = ", and only " if fields.both_days else ", or "
    text = text.replace(", or on ", f"{glue}on ")
    return ", ".join([text, glue.join(parts)] if parts else [text])


def _plain(field: CronField, text: str, values: tuple[int, ...]) -> str:
    """Write one field as cron-descriptor reads it well: no leading zeros, few steps, no `*` in a list."""
    every = 7 if field is DAY_OF_WEEK else field.high - field.low + 1
    if len(values) >= every:
        return "*"
    mixed = "," in text and ("/" in text or "*" in text)
    steps = (
        "/" in text
        and field is not MINUTE
        and not (field is HOUR and text.startswith("*"))
        and len(values) <= _FEW
    )
    if "#" not in text and (mixed or steps or (field is DAY_OF_WEEK and text in ("7", "07"))):
        return ",".join(map(str, values))
    return re.sub(r"\b0+(?=[0-9])", "", text).upper()


def _days(fields: CronFields, day: str) -> str:
    days = [f"day {value}" for value in fields.values[2] if value != LAST_DAY]
    last = ["the last day"] if LAST_DAY in fields.values[2] else []
    return "" if day == "*" else f"on {_joined(days + last)} of the month"


def _weekdays(fields: CronFields, weekday: str) -> str:
    days = [_WEEKDAYS[value] for value in fields.values[4]]
    numbered = [
        f"the {_ORDINALS[number - 1]} {_WEEKDAYS[value]} of the month" for value, number in fields.nth
    ]
    return "" if weekday == "*" and not numbered else f"on {_joined(days + numbered)}"


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _described(expression: str) -> str | None:
    from cron_descriptor import ExpressionDescriptor, Options

    options = Options(use_24hour_time_format=True, locale_code="en_US")
    try:
        text: str = ExpressionDescriptor(expression, options).get_description()
    except Exception:  # noqa: BLE001 a library that finds no words must not hide the schedule
        return None
    return text[:1].lower() + text[1:].replace(" through ", " to ").replace(", only ", ", ")
