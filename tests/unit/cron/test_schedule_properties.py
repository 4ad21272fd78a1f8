"""Cron schedules by their laws: strictness, order, duality, and two oracles that look at every minute."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.cron.describe import describe
from chalicelib.cron.schedule import Schedule
from chalicelib.errors import ScheduleError
from tests.properties import examples

pytestmark = [pytest.mark.slow, pytest.mark.properties]

MINUTE = timedelta(minutes=1)
NAMES = {
    3: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    4: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
WIDEST = (59, 23, 30, 11, 6)  # a wider step would name a single value
# Whole-minute jumps of many kinds: forward and back, at midnight, of half an hour, of a day, back into the
# day before.
JUMPS = [
    ("Europe/Berlin", "2024-03-31T01:00"),
    ("Europe/Berlin", "2024-10-27T01:00"),
    ("America/New_York", "2024-11-03T06:00"),
    ("Australia/Lord_Howe", "2017-04-01T15:00"),
    ("Australia/Lord_Howe", "2017-09-30T15:30"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("America/St_Johns", "2010-03-14T03:31"),
    ("America/Santiago", "2017-05-14T03:00"),
    ("Africa/Casablanca", "2024-03-10T02:00"),
    ("Europe/Dublin", "2024-10-27T01:00"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
    ("Kwajalein", "1993-08-21T12:00"),
]


@st.composite
def items(draw: st.DrawFn, field: int) -> str:
    low, high = BOUNDS[field]
    kind = draw(st.sampled_from(["*", "*/n", "a", "a-b", "a-b/n", "a/n", "name", "special"]))
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    step = draw(st.integers(1, WIDEST[field]))
    if kind == "name" and field in NAMES:
        return draw(st.sampled_from(NAMES[field])).title()
    if kind == "special" and field == 2:
        return "L"
    if kind == "special" and field == 4:
        return f"{first}#{draw(st.integers(1, 5))}"
    forms = {
        "*": "*",
        "*/n": f"*/{step}",
        "a-b": f"{first}-{last}",
        "a-b/n": f"{first}-{last}/{step}",
        "a/n": f"{first}/{step}",
    }
    return forms.get(kind, str(first))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Draw expressions; in half of them every date matches, so that a short window shows something."""
    fields = [
        draw(st.just("*") | st.lists(items(field), min_size=1, max_size=1 if field == 3 else 3).map(",".join))
        for field in range(5)
    ]
    return " ".join([*fields[:2], "* * *"] if draw(st.booleans()) else fields)


def schedule_of(expression: str, zone: str) -> Schedule | None:
    """Build it, or return None where no date can match: the one reason to refuse these expressions."""
    try:
        return Schedule(expression, zone)
    except ScheduleError as refused:
        if "never fires" not in str(refused):
            raise
        return None


def values(field: int, text: str) -> set[int]:
    """Read a field the slow way; the last day of a month and numbered weekdays are left to `reads`."""
    found: set[int] = set()
    low, high = BOUNDS[field]
    for item in text.lower().split(","):
        head, _, step = item.partition("/")
        first, _, last = head.partition("-")
        if item == "l" or "#" in item:
            continue
        if head == "*":
            span = range(low, high + 1)
        elif first in NAMES.get(field, ()):
            found.add(NAMES[field].index(first) + low)
            continue
        else:
            span = range(int(first), int(last or (high if step else first)) + 1)
        found.update(list(span)[:: int(step or 1)])
    return {value % 7 for value in found} if field == 4 else found


class Oracle:
    """Decides each minute of the wall clock by itself, straight from crontab(5)."""

    def __init__(self, expression: str) -> None:
        self.texts = expression.split()
        self.values = [values(field, text) for field, text in enumerate(self.texts)]
        self.both = self.texts[2][0] == "*" or self.texts[4][0] == "*"
        self.elapsed = self.texts[0][0] == "*" or self.texts[1][0] == "*"
        self.nth = [tuple(map(int, item.split("#"))) for item in self.texts[4].split(",") if "#" in item]

    def reads(self, wall: datetime) -> bool:
        if (
            wall.minute not in self.values[0]
            or wall.hour not in self.values[1]
            or wall.month not in self.values[3]
        ):
            return False
        last = monthrange(wall.year, wall.month)[1]
        day = wall.day in self.values[2] or ("L" in self.texts[2].upper().split(",") and wall.day == last)
        weekday = wall.isoweekday() % 7
        week = weekday in self.values[4] or any(
            weekday == name % 7 and (wall.day - 1) // 7 + 1 == number for name, number in self.nth
        )
        return (day and week) if self.both else (day or week)

    def fires(self, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
        """Walk every minute after `start`, remembering how far the wall clock has ever read, as cron does."""
        instant = start - timedelta(days=2)
        furthest = instant.astimezone(zone).replace(tzinfo=None)
        while instant < end:
            instant += MINUTE
            wall = instant.astimezone(zone).replace(tzinfo=None)
            if self.elapsed:
                due = self.reads(wall)
            else:
                due = False
                while furthest < wall:
                    furthest += MINUTE
                    due = due or self.reads(furthest)
            if due and instant > start:
                yield instant


@settings(max_examples=examples(20, 60), deadline=None)
@given(expressions(), st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1)))  # noqa: DTZ001 hypothesis draws naive bounds
def test_in_utc_exactly_the_matching_minutes_are_fire_times(expression: str, at: datetime) -> None:
    schedule = schedule_of(expression, "UTC")
    if schedule is None:
        return
    start = at.replace(second=0, microsecond=0, tzinfo=UTC)
    end = start + timedelta(days=2)
    expected = list(Oracle(expression).fires(ZoneInfo("UTC"), start, end))
    assert list(schedule.between(start, end)) == expected
    assert schedule.count_between(start, end) == len(expected)


@settings(max_examples=examples(40, 120), deadline=None)
@given(expressions(), st.sampled_from(JUMPS), st.integers(-1800, 1800))
def test_around_a_jump_the_fire_times_are_those_of_a_cron_that_watches_every_minute(
    expression: str, jump: tuple[str, str], minutes: int
) -> None:
    zone, at = jump
    schedule = schedule_of(expression, zone)
    if schedule is None:
        return
    start = datetime.fromisoformat(at).replace(tzinfo=UTC) + minutes * MINUTE
    end = start + timedelta(days=1, hours=6)
    expected = list(Oracle(expression).fires(ZoneInfo(zone), start, end))
    found = list(schedule.between(start, end))
    assert found == expected
    assert schedule.count_between(start, end) == len(expected)
    for step in range(-12, 13):
        probe = datetime.fromisoformat(at).replace(tzinfo=UTC) + step * timedelta(minutes=10)
        if not start <= probe <= end:
            continue
        place, after = bisect_left(found, probe), bisect_right(found, probe)
        assert not place or schedule.before(probe) == found[place - 1]
        assert after == len(found) or schedule.after(probe) == found[after]
        until = min(end, probe + timedelta(hours=3))
        assert schedule.count_between(probe, until) == bisect_right(found, until) - after


@settings(max_examples=examples(50, 150), deadline=None)
@given(
    expressions(),
    st.sampled_from(
        [zone for zone, _ in JUMPS] + ["UTC", "Asia/Kolkata", "Africa/Monrovia", "Europe/Amsterdam"]
    ),
    st.datetimes(datetime(1901, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 hypothesis draws naive bounds
)
def test_after_and_before_are_strict_and_each_others_inverse(
    expression: str, zone: str, at: datetime
) -> None:
    schedule = schedule_of(expression, zone)
    if schedule is None:
        return
    instant = at.replace(tzinfo=UTC)
    following, preceding = schedule.after(instant), schedule.before(instant)
    assert preceding < instant < following
    assert schedule.before(following) <= instant
    assert schedule.after(preceding) >= instant
    assert schedule.after(schedule.before(following)) == following
    assert schedule.before(schedule.after(preceding)) == preceding
    assert schedule.after(following) > following
    assert schedule.matches(following)
    assert schedule.matches(preceding)


@settings(max_examples=examples(20, 60), deadline=None)
@given(expressions(), st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1)), st.integers(1, 900))  # noqa: DTZ001 hypothesis draws naive bounds
def test_counting_agrees_with_walking_over_months(expression: str, at: datetime, days: int) -> None:
    zone = "America/New_York"
    schedule = schedule_of(f"0 0,2 {expression.split(maxsplit=2)[2]}", zone)
    if schedule is None:
        return
    start = at.replace(tzinfo=UTC)
    end = start + timedelta(days=days, minutes=days)
    assert schedule.count_between(start, end) == sum(1 for _ in schedule.between(start, end))


@settings(max_examples=examples(40, 100), deadline=None)
@given(expressions())
def test_every_valid_schedule_has_words_and_an_interval(expression: str) -> None:
    schedule = schedule_of(expression, "Europe/Berlin")
    if schedule is None:
        return
    said = describe(expression, "Europe/Berlin")
    assert said.endswith(" (Europe/Berlin)")
    assert ", ," not in said
    instant = datetime(2027, 1, 1, tzinfo=UTC)
    interval = Schedule(expression).shortest_interval()
    for _ in range(5):
        following = Schedule(expression).after(instant)
        if Schedule(expression).matches(instant):
            assert following - instant >= interval
        instant = following


@settings(max_examples=examples(100, 300), deadline=None)
@given(st.text(max_size=300) | st.text("0123456789*/-,L#R?HW@ monfri\t", max_size=40))
def test_any_text_is_a_schedule_or_a_clear_refusal(text: str) -> None:
    try:
        schedule = Schedule(text)
    except ScheduleError as refused:
        error = refused
    else:
        assert schedule.after(datetime(2026, 1, 1, tzinfo=UTC))
        return
    assert error.expression == text
    assert len(str(error)) < 1000
