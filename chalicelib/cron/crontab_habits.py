"""What people write into a cron expression because a crontab's line has it: a zone, a command, a comment.

Each has a field of its own in a job's definition; the advice names it, with the value that was written. So
does the advice for `cron(...)` and `rate(...)`, as AWS writes schedules.
"""

from __future__ import annotations

import re
import shlex
from zoneinfo import available_timezones

_FIVE = 5
_ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\"[^\"]*\"|'[^']*'|\S*)\s*(.*)", re.DOTALL)
_ZONES = ("CRON_TZ", "TZ")
_CRON_FIELD = re.compile(r"[0-9*/,?l#w-]+|(?:[a-z]{3}(?:[-,/][a-z0-9]+)*)", re.IGNORECASE | re.ASCII)
_AWS = re.compile(r"(cron|rate)\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_RATE = re.compile(r"([1-9]\d?)\s+(minute|hour)s?", re.IGNORECASE | re.ASCII)
_USER = re.compile(r"[a-z_][a-z0-9_-]*", re.ASCII)


def advice(expression: str, aliases: tuple[str, ...]) -> str | None:
    """Return what is wrong and what to write, if an expression is a line of a crontab; None if it is not."""
    text = expression.strip()
    if "\n" in text:
        return "has several lines; write one schedule, and a job for each line"
    if text[:1] in "\"'" and text[:1] == text[-1:] and len(text) > 1:
        return f"has quotes within the text; write {text[1:-1]!r}"
    if (aws := _AWS.fullmatch(text)) is not None:
        return _of_aws(aws[1].lower(), aws[2].split())
    if (assigned := _ASSIGNED.fullmatch(text)) is not None:
        name, value, rest = assigned.groups()
        value = value.strip("\"'")
        if name.upper() in _ZONES:
            return f"begins with {name}=; write timezone={value!r} as a field of the job" + _schedule(rest)
        return (
            f"begins with the variable {name}; set it in Sauron's environment or within the job"
            + _schedule(rest)
        )
    words = text.split()
    first = 1 if words and words[0].lower() in aliases else _FIVE
    schedule, more = " ".join(words[:first]), words[first:]
    return _of_the_rest(schedule, more, text) if more else None


def _of_aws(kind: str, words: list[str]) -> str:
    """Explain a schedule of AWS: its sixth field is the year, and weekdays count from Sunday as 1."""
    form = (
        "is written as AWS does; write the five fields alone (minute, hour, day of month, month, day of week)"
    )
    if kind == "cron":
        plain = len(words) in {_FIVE, _FIVE + 1} and not re.search(r"\d", words[_FIVE - 1])
        fields = " ".join(words[:_FIVE]).replace("?", "*")
        return f"{form}: cron={fields!r}" if plain else f"{form}, weekdays by name, such as 'mon-fri'"
    rate = _RATE.fullmatch(" ".join(words))
    if rate is None:
        return form
    count, hours = int(rate[1]), rate[2].lower() == "hour"
    whole = 24 if hours else 60
    if count >= whole or whole % count:
        return form
    step = "*" if count == 1 else f"*/{count}"
    return f"{form}: cron={(f'0 {step} * * *' if hours else f'{step} * * * *')!r}"


def _schedule(rest: str) -> str:
    return f", and cron={rest.strip()!r}" if rest.strip() else ""


def _of_the_rest(schedule: str, more: list[str], text: str) -> str | None:
    """Explain what stands behind the schedule."""
    write = f"write cron={schedule!r} and"
    if more[0].startswith("#"):
        comment = text[text.index(" #") + 1 :].lstrip("# \t") if " #" in text else " ".join(more).lstrip("# ")
        return f"has a comment; {write} description={comment!r}"
    zones = {zone.lower(): zone for zone in available_timezones()}
    if zone := zones.get(more[0].strip("()").lower()):
        return f"ends with a time zone; {write} timezone={zone!r}"
    if len(more) <= 2 and all(_CRON_FIELD.fullmatch(word) for word in more):  # noqa: PLR2004 - seconds and years
        return None
    user = len(more) > 1 and _USER.fullmatch(more[0]) is not None and more[1].startswith("/")
    command = " ".join(more[1:] if user else more)
    column = f"; there is no column for a user (here {more[0]})" if user else ""
    return f"ends with a command; {write} command={_split(command)!r}{column}"


def _split(command: str) -> list[str]:
    """Return a command as an argv; one that a shell has to read becomes a call of the shell."""
    if not re.search(r"[|&;<>$`*?~\\%]", command):
        try:
            return shlex.split(command, comments=True)
        except ValueError:
            pass
    return ["sh", "-c", command]
