"""What may stand in a cron expression, and what is said about everything else.

The grammar is crontab(5) of vixie cron (names, lists, ranges, steps, the aliases) with `start/step`, `L` in
the day of month and `fri#2` added. Everything else is refused: the error names the field and the token, and
what to write instead.

Parsing has no side effects, and the same text gives the same (remembered) value.
"""

from __future__ import annotations

import re
from functools import lru_cache

from chalicelib.errors import ScheduleError

from . import crontab_habits
from .days import FireDays
from .fields import DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, LAST_DAY, CronField, CronFields

MAX_LENGTH = 256
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FORM = "minute, hour, day of month, month, day of week"
_ITEM = re.compile(r"(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?", re.ASCII)
_NTH = re.compile(r"([0-9]|[a-z]{3})#([1-5])", re.ASCII)


@lru_cache(maxsize=16384)
def parse_cron(expression: str) -> CronFields:
    """Parse five fields or an alias.

    Raises ScheduleError with the field, the bad token and what to write instead.
    """
    if len(expression) > MAX_LENGTH:
        raise _refusal(
            expression,
            None,
            f"is {len(expression)} characters long; write at most {MAX_LENGTH}, "
            "or split it over several jobs",
        )
    texts = _texts(expression)
    values: list[tuple[int, ...]] = []
    nth: set[tuple[int, int]] = set()
    for field, field_text in zip(FIELDS, texts, strict=True):
        named: set[int] = set()
        for item in field_text.split(","):
            if (
                field is DAY_OF_WEEK
                and (match := _NTH.fullmatch(item))
                and (weekday := field.number(match[1])) is not None
            ):
                nth.add((weekday % 7, int(match[2])))
            elif field is DAY_OF_MONTH and item == "l":
                named.add(LAST_DAY)
            elif (found := _values(field, item)) is not None:
                named.update(found)
            else:
                raise _refusal(
                    expression, item, f"has {item!r} as {field.name}: {_token_advice(field, item)}"
                )
        values.append(tuple(sorted({value % 7 for value in named} if field is DAY_OF_WEEK else named)))
    # cron(8): the two day fields are alternatives, unless one of them starts with `*`.
    both_days = texts[2].startswith("*") or texts[4].startswith("*")
    days = FireDays.of(_day_patterns(values, sorted(nth), both=both_days))
    if not days.patterns:
        raise _refusal(
            expression,
            texts[2],
            f"never fires: no date has day of month {texts[2]!r}, month {texts[3]!r} "
            f"and day of week {texts[4]!r}; "
            "write a day that those months have, or `L` for the last day of a month",
        )
    real_time = texts[0].startswith("*") or texts[1].startswith("*")
    return CronFields(texts, tuple(values), tuple(sorted(nth)), real_time, both_days, days)


def _texts(expression: str) -> tuple[str, ...]:
    """Return the five fields in lower case. Raises ScheduleError for another number of them."""
    text = expression.strip(" \t\r\n").lower()
    texts = tuple(re.split(r"[ \t]+", ALIASES.get(text, text)))
    if (len(texts) != len(FIELDS) or not texts[0][:1].isdigit()) and (
        habit := crontab_habits.advice(expression, tuple(ALIASES))
    ):
        raise _refusal(expression, None, habit)
    if text.startswith("@") and text not in ALIASES:
        raise _refusal(expression, text, _alias_advice(text))
    if len(texts) != len(FIELDS):
        raise _refusal(expression, None, _count_advice(texts))
    return texts


def _values(field: CronField, item: str) -> range | None:
    """Return the values that one item of a list names, None if it names none that the field has."""
    match = _ITEM.fullmatch(item)
    if match is None:
        return None
    start, end, step_text = match.groups()
    step = int(step_text) if step_text else 1
    if not 1 <= step <= field.widest_step:
        return None
    if start == "*":
        return None if end else range(field.low, field.high + 1, step)
    low = field.number(start)
    high = field.number(end) if end else field.high if step_text else low
    return range(low, high + 1, step) if low is not None and high is not None and low <= high else None


def _day_patterns(
    values: list[tuple[int, ...]], nth: list[tuple[int, int]], *, both: bool
) -> tuple[str, ...]:
    """State the day fields as croniter expressions of which any must hold."""
    days, months, weekdays = values[2:]
    listed = "*" if days[: DAY_OF_MONTH.high] == tuple(range(1, DAY_OF_MONTH.high + 1)) else _listed(days)
    day, month = listed.replace(str(LAST_DAY), "l"), "*" if len(months) == 12 else _listed(months)  # noqa: PLR2004 a year
    weekly = ["*" if len(weekdays) == 7 else _listed(weekdays)] if weekdays else []  # noqa: PLR2004 a week
    if nth:
        weekly.append(",".join(f"{weekday}#{number}" for weekday, number in nth))
    if both:
        return tuple(f"0 0 {day} {month} {week}" for week in weekly)
    return (f"0 0 {day} {month} *", *(f"0 0 * {month} {week}" for week in weekly))


def _listed(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


def refuse_type(expression: object) -> ScheduleError:
    """Say that an expression is not text at all."""
    return ScheduleError(
        f"A cron expression is text; this is {type(expression).__name__} ({expression!r:.80}). "
        f"Write five fields ({_FORM}) such as '0 8 * * 1-5'.",
        expression=expression,
    )


def _refusal(expression: str, token: str | None, reason: str) -> ScheduleError:
    return ScheduleError(f"Cron {expression[:80]!r} {reason}.", expression=expression, token=token)


def _alias_advice(text: str) -> str:
    if text.startswith("@reboot"):
        return (
            "is not a time; a job cannot fire at start. Write when it fires, "
            "such as '@hourly' or '*/5 * * * *'"
        )
    if text.startswith("@every"):
        return (
            "is an interval; write the fields, such as '*/5 * * * *' (every 5 minutes) "
            "or '0 */2 * * *' (2 hours)"
        )
    return f"is not an alias; write one of {', '.join(ALIASES)}, alone, or five fields ({_FORM})"


def _count_advice(texts: tuple[str, ...]) -> str:
    if texts == ("",):
        return f"is empty; write five fields ({_FORM}) such as '0 8 * * 1-5'"
    if len(texts) == len(FIELDS) + 1:
        years = texts[-1].isdigit() and len(texts[-1]) == 4  # noqa: PLR2004 - digits of a year
        rest = " ".join(texts[:-1] if years else texts[1:]).replace("?", "*")
        return (
            "has 6 fields, and there are no seconds or years here; "
            f"write exactly five ({_FORM}), such as {rest!r}"
        )
    return f"has {len(texts)} field{'s' * (len(texts) != 1)}; write exactly five ({_FORM}), with `*` for any"


def _token_advice(field: CronField, item: str) -> str:  # noqa: C901, PLR0911, PLR0912 one branch for each mistake people make
    low, high = field.low, field.high
    allowed = f"{low}-{high}" + (f" or {field.names[0]}-{field.names[-1]}" if field.names else "")
    if not item:
        return "a list has an empty entry; write values with single commas between them, such as '1,15'"
    if not item.isascii():
        return f"this is not plain ASCII; type the digits or names again ({allowed})"
    if "?" in item:
        return "there is no `?` here; write `*`"
    if item[0] in "hr" and not item[1:2].isalpha():
        return (
            "values are not drawn by hash or at random; write a fixed value, "
            "and spread jobs with `jitter_minutes`"
        )
    if "#" in item:
        if field is DAY_OF_WEEK:
            return (
                "write one weekday, `#`, and which of the month (1 to 5), such as 'fri#2', "
                "without range or step"
            )
        return f"`#` belongs to the day of week; write {allowed}"
    if field is DAY_OF_MONTH and "w" in item and item != "w":
        return (
            "the nearest weekday is not known here; write the days, such as '15', "
            "or weekdays in the day of week"
        )
    if field is DAY_OF_MONTH and "l" in item and not item.isalpha():
        return "`L` stands alone for the last day; write 'L', or the days themselves, such as '28-31'"
    if field is DAY_OF_WEEK and item.endswith("l"):
        return "`L` belongs to the day of month; write a weekday of the month by its number, such as 'fri#4'"
    match = _ITEM.fullmatch(item)
    if match is None:
        return f"write a value, a range 'a-b', `*`, or one of these with a step '/n' ({allowed})"
    start, end, step = match.groups()
    if start == "*" and end:
        return "`*` is already the whole field; write `*`, or a range of two values"
    for text in (start, end):
        if text and text != "*" and field.number(text) is None:
            return f"{text!r} is not one of {allowed}; {_near(field, text)}"
    if step and int(step) == 0:
        return "a step of 0 goes nowhere; write a step of 1 or more, or leave it out"
    if step and int(step) > field.widest_step:
        return (
            f"the step {step} is wider than the field; write a step of at most {field.widest_step}, "
            f"or just the value {low}"
        )
    first, last = field.number(start), field.number(end or start)
    if first is None or last is None:  # both were looked at above
        return f"write {allowed}"
    top = high - 1 if field is DAY_OF_WEEK else high
    return (
        f"the range runs backwards; write {_span(first, top)},{_span(low, last)} to go over the end, "
        "or swap the two"
    )


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _near(field: CronField, text: str) -> str:
    for name in field.names:
        if text.startswith(name):
            return f"write '{name}'"
    if field is DAY_OF_WEEK and text.isdigit():
        return "Sunday is 0 or 7"
    return f"write {field.low} to {field.high}" + (" or a name of three letters" if field.names else "")
