"""A schedule in words, for people: "at 08:00, Monday to Friday (Europe/Berlin)".

The time of day is said from the minutes and hours at which it fires, not from how they were written: "every
15 minutes" is said only where that is the distance between any two. cron-descriptor writes the days. It is
given each field in the form it reads well, and what it gets wrong is set right: days that must both hold, the
last day among others, several weekdays of the month. An expression that it cannot read is shown as it stands,
so a valid schedule always has a text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from chalicelib.text import listed

from .fields import DAY_OF_WEEK, FIELDS, LAST_DAY, CronField, CronFields
from .schedule import Schedule

_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_FEW = 12  # values that still read better as a list than as a step
_FEW_TIMES = 6  # times of a day that are written out, where they are of several minutes
_FEW_SPANS = 3
_PAIR = 2
_HOUR_MINUTES, _DAY_HOURS = 60, 24
_MIDNIGHT = "at 00:00"


@lru_cache(maxsize=4096)
def describe(expression: str, zone: str = "UTC") -> str:
    """Say in English when a schedule fires, on a 24-hour clock, with its zone; ScheduleError if refused."""
    fields = Schedule.parse(expression, zone).fields
    return f"{_sentence(fields) or f'cron {expression.strip()}'} ({zone})"


def _sentence(fields: CronFields) -> str | None:
    day, month, weekday = (
        _plain(field, text, values)
        for field, text, values in zip(FIELDS[2:], fields.texts[2:], fields.values[2:], strict=True)
    )
    if not fields.both_days and "*" in (day, weekday):
        day = weekday = "*"  # one of the alternatives holds on every day
    parts: list[str] = []
    if fields.nth or LAST_DAY in fields.values[2]:
        parts = [part for part in (_days(fields, day), _weekdays(fields, weekday)) if part]
        day = weekday = "*"
    text = _described(f"0 0 {day} {month} {weekday}")
    if text is None or not text.startswith(_MIDNIGHT):
        return None
    text = text.replace("every 2 days", "every second day of the month")  # each month begins anew
    text = _time_of_day(fields) + text.removeprefix(_MIDNIGHT)
    glue = ", and only " if fields.both_days else ", or "
    text = text.replace(", or on ", f"{glue}on ")
    return ", ".join([text, glue.join(parts)] if parts else [text])


def _time_of_day(fields: CronFields) -> str:
    minutes, hours = fields.minutes, fields.hours
    if len(minutes) == 1 and len(hours) < _DAY_HOURS:
        return _once_an_hour(minutes[0], hours, stepped="/" in fields.texts[1])
    if len(minutes) * len(hours) <= _FEW_TIMES:
        return f"at {listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"
    if minutes == (0,):
        return "every hour"
    within, between = _of_the_hour(minutes), _between(hours)
    return f"{within}, {between}" if between else within


def _once_an_hour(minute: int, hours: tuple[int, ...], *, stepped: bool) -> str:
    first, last = f"{hours[0]:02}:{minute:02}", f"{hours[-1]:02}:{minute:02}"
    if stepped and (step := _cycle(hours, _DAY_HOURS)):
        return f"every {step} hours" + (f", starting at {first}" if hours[0] or minute else "")
    if len(hours) > _PAIR and hours[-1] - hours[0] == len(hours) - 1:
        return f"every hour from {first} to {last}"
    return f"at {listed([f'{hour:02}:{minute:02}' for hour in hours])}"


def _of_the_hour(minutes: tuple[int, ...]) -> str:
    """Say which minutes of an hour, in a way that is true of the next hour as well."""
    past = "past the hour"
    if len(minutes) == _HOUR_MINUTES:
        return "every minute"
    if step := _cycle(minutes, _HOUR_MINUTES):
        return f"every {step} minutes" + (f", starting at {_number(minutes[0])} {past}" if minutes[0] else "")
    steps = {later - earlier for earlier, later in pairwise(minutes)}
    if steps == {1} and len(minutes) > _PAIR:
        return f"minutes {minutes[0]} to {minutes[-1]} {past}"
    if len(minutes) > _FEW and len(steps) == 1:
        return f"every {steps.pop()} minutes, minutes {minutes[0]} to {minutes[-1]} {past}"
    return (
        f"at {_number(minutes[0])} {past}"
        if len(minutes) == 1
        else (f"at {listed([str(minute) for minute in minutes])} minutes {past}")
    )


def _between(hours: tuple[int, ...]) -> str:
    """Say in which hours; nothing if it is all of them."""
    if len(hours) == _DAY_HOURS:
        return ""
    spans: list[list[int]] = []
    for hour in hours:
        if spans and spans[-1][-1] == hour - 1:
            spans[-1].append(hour)
        else:
            spans.append([hour])
    if len(spans) > _FEW_SPANS:
        return f"in the hours from {listed([f'{hour:02}:00' for hour in hours])}"
    return f"between {' and between '.join(f'{span[0]:02}:00 and {span[-1]:02}:59' for span in spans)}"


def _cycle(values: tuple[int, ...], length: int) -> int:
    """Return the distance that all neighbours have, over the end of the cycle too; 0 if it is not one."""
    around = {later - earlier for earlier, later in pairwise((*values, values[0] + length))}
    return around.pop() if len(around) == 1 and len(values) > 1 else 0


def _number(minute: int) -> str:
    return f"{minute} minute{'' if minute == 1 else 's'}"


def _plain(field: CronField, text: str, values: tuple[int, ...]) -> str:
    """Write one field as cron-descriptor reads it well: no leading zeros, few steps, no `*` in a list."""
    every = 7 if field is DAY_OF_WEEK else field.high - field.low + 1
    if len(values) >= every:
        return "*"
    mixed = "," in text and ("/" in text or "*" in text)
    steps = "/" in text and len(values) <= _FEW
    if "#" not in text and (mixed or steps or (len(values) == 1 and values[0] != LAST_DAY)):
        return ",".join(map(str, values))
    return re.sub(r"\b0+(?=[0-9])", "", text).upper()


def _days(fields: CronFields, day: str) -> str:
    days = [f"day {value}" for value in fields.values[2] if value != LAST_DAY]
    last = ["the last day"] if LAST_DAY in fields.values[2] else []
    return "" if day == "*" else f"on {listed(days + last)} of the month"


def _weekdays(fields: CronFields, weekday: str) -> str:
    days = [_WEEKDAYS[value] for value in fields.values[4]]
    numbered = [
        f"the {_ORDINALS[number - 1]} {_WEEKDAYS[value]} of the month" for value, number in fields.nth
    ]
    return "" if weekday == "*" and not numbered else f"on {listed(days + numbered)}"


def _described(expression: str) -> str | None:
    from cron_descriptor import ExpressionDescriptor, Options

    options = Options(use_24hour_time_format=True, locale_code="en_US")
    try:
        text: str = ExpressionDescriptor(expression, options).get_description()
    except Exception:  # noqa: BLE001 a library that finds no words must not hide the schedule
        return None
    return text[:1].lower() + text[1:].replace(" through ", " to ").replace(", only ", ", ")
