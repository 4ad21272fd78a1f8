"""Cron schedules by example: grammar, refusals, clocks that jump, and cases of other projects' suites."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib import cron
from chalicelib.cron import Schedule, days
from chalicelib.errors import ScheduleError

# Expressions and the fire times that suites of other cron libraries expect; an id names the project.
CASES = Path(__file__).parents[2] / "data" / "cron_cases.json"
TICK = timedelta(microseconds=1)


def cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(CASES.read_text(encoding="utf-8"))
    return found


def test_the_package_offers_the_schedule_and_says_what_it_lacks() -> None:
    from chalicelib.cron import schedule

    assert cron.Schedule is schedule.Schedule
    with pytest.raises(AttributeError, match="Scheduler"):
        _ = cron.Scheduler


def fires(schedule: Schedule, start: str, count: int) -> list[str]:
    """Write the next fire times as the zone's clock reads them."""
    from zoneinfo import ZoneInfo

    found, instant = [], datetime.fromisoformat(start)
    for _ in range(count):
        instant = schedule.after(instant)
        found.append(instant.astimezone(ZoneInfo(schedule.zone)).isoformat(timespec="minutes"))
    return found


def said(case: dict[str, Any]) -> object:
    """Return what `Schedule` makes of a case, in the form of what the case expects."""
    try:
        schedule = Schedule(case["expr"], case.get("tz", "UTC"))
    except ScheduleError:
        return "refused"
    if "from" not in case:
        return "accepted"
    start = datetime.fromisoformat(case["from"])
    if case["kind"] != "next":
        return schedule.matches(start)
    instant, found = start - TICK if case["inclusive"] else start, []
    for _ in case["expect"]:
        instant = schedule.after(instant)
        found.append(instant)
    return found, [schedule.before(later) for later in found[1:]]


def expected_of(case: dict[str, Any]) -> object:
    kind = case["kind"]
    if kind == "next":
        times = [datetime.fromisoformat(text) for text in case["expect"]]
        return times, times[:-1]
    return {"invalid": "refused", "never": "refused", "valid": "accepted", "match": True}.get(kind, False)


def test_every_core_dst_and_never_case_of_other_projects_holds() -> None:
    asked = cases()
    assert len(asked) > 400
    assert {case["id"]: said(case) for case in asked} == {case["id"]: expected_of(case) for case in asked}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 8 * * 1-5", ["2024-03-04T08:00", "2024-03-05T08:00", "2024-03-06T08:00"]),
        ("0 8 * * MON-fri", ["2024-03-04T08:00", "2024-03-05T08:00", "2024-03-06T08:00"]),
        ("  */20\t9-10/1   * * *\n", ["2024-03-02T09:00", "2024-03-02T09:20", "2024-03-02T09:40"]),
        ("59/15 23 * * *", ["2024-03-02T23:59", "2024-03-03T23:59", "2024-03-04T23:59"]),
        ("5-5 1-1 * * *", ["2024-03-02T01:05", "2024-03-03T01:05", "2024-03-04T01:05"]),
        ("0 0 * * 7", ["2024-03-03T00:00", "2024-03-10T00:00", "2024-03-17T00:00"]),
        ("0 0 * * 5-7", ["2024-03-03T00:00", "2024-03-08T00:00", "2024-03-09T00:00"]),
        ("0 0 L * *", ["2024-03-31T00:00", "2024-04-30T00:00", "2024-05-31T00:00"]),
        ("0 0 15,L 2,3 *", ["2024-03-15T00:00", "2024-03-31T00:00", "2025-02-15T00:00"]),
        ("0 0 * * fri#2", ["2024-03-08T00:00", "2024-04-12T00:00", "2024-05-10T00:00"]),
        ("0 0 * * fri#2,MON#1", ["2024-03-04T00:00", "2024-03-08T00:00", "2024-04-01T00:00"]),
        ("0 0 * * 7#1,mon", ["2024-03-03T00:00", "2024-03-04T00:00", "2024-03-11T00:00"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("@weekly", ["2024-03-03T00:00", "2024-03-10T00:00", "2024-03-17T00:00"]),
        (" @Hourly ", ["2024-03-02T01:00", "2024-03-02T02:00", "2024-03-02T03:00"]),
        ("5,*/30,7-8 0 * * *", ["2024-03-02T00:05", "2024-03-02T00:07", "2024-03-02T00:08"]),
    ],
)
def test_the_grammar_is_that_of_vixie_cron_with_last_day_and_numbered_weekdays(
    expression: str, expected: list[str]
) -> None:
    found = fires(Schedule.parse(expression), "2024-03-02T00:00+00:00", 3)
    assert found == [f"{text}+00:00" for text in expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 13 * fri", [1, 8, 13, 15, 22, 29]),  # either
        ("0 0 13 * fri#2", [8, 13]),
        ("0 0 13 * 0-7", list(range(1, 32))),  # any weekday, but not written as `*`
        ("0 0 */2 * fri", [1, 15, 29]),  # both
        ("0 0 13 * */2", []),
        ("0 0 */14 * */5", [1, 15, 29]),
        ("0 0 * * fri", [1, 8, 15, 22, 29]),
        ("0 0 L * sun", [3, 10, 17, 24, 31]),
        ("0 0 30,31 2,3 mon", [4, 11, 18, 25, 30, 31]),
    ],
)
def test_day_fields_are_alternatives_unless_one_starts_with_a_star(
    expression: str, expected: list[int]
) -> None:
    march = Schedule(expression).between(
        datetime(2024, 2, 29, 23, tzinfo=UTC), datetime(2024, 3, 31, tzinfo=UTC)
    )
    assert [fire_at.day for fire_at in march] == expected


@pytest.mark.parametrize(
    ("expression", "token", "said"),
    [
        ("* * * * * *", None, "exactly five"),
        ("*", None, "exactly five"),
        ("", None, "is empty"),
        ("0 8 * *", None, "has 4 fields"),
        ("@reboot", "@reboot", "'@hourly'"),
        ("@every 5m", "@every 5m", "'*/5 * * * *'"),
        ("@yearl", "@yearl", "@yearly"),
        ("R * * * *", "r", "jitter_minutes"),
        ("H/15 * * * *", "h/15", "jitter_minutes"),
        ("0 22-2 * * *", "22-2", "write 22-23,0-2"),
        ("0 0 * * fri-mon", "fri-mon", "write 5-6,0-1"),
        ("0 0 * * sat-sun", "sat-sun", "write 6,0"),
        ("*/90 * * * *", "*/90", "at most 59"),
        ("* */24 * * *", "*/24", "at most 23"),
        ("0 0 */31 * *", "*/31", "at most 30"),
        ("0 0 1 */12 *", "*/12", "at most 11"),
        ("0 0 * * */7", "*/7", "at most 6"),
        ("0 0 1/32 * *", "1/32", "at most 30"),
        ("0 0 1 1/13 *", "1/13", "at most 11"),
        ("0 0 * * 1/8", "1/8", "at most 6"),
        ("5/0 * * * *", "5/0", "step of 1 or more"),
        ("61 * * * *", "61", "as minute: '61' is not one of 0-59"),
        ("0 24 * * *", "24", "as hour"),
        ("0 0 0 * *", "0", "as day of month"),
        ("0 0 * january *", "january", "write 'jan'"),
        ("0 0 * * sunday", "sunday", "write 'sun'"),
        ("0 0 * * 8", "8", "Sunday is 0 or 7"),
        ("0 0 ? * *", "?", "write `*`"),
        ("0 0 15W * *", "15w", "nearest weekday"),
        ("0 0 L-2 * *", "l-2", "write 'L'"),
        ("0 0 * * 5L", "5l", "'fri#4'"),
        ("0 0 * * fri#6", "fri#6", "1 to 5"),
        ("0 0 * * mon-fri#1", "mon-fri#1", "one weekday"),
        ("1,,2 * * * *", "", "empty entry"),
        ("\N{ARABIC-INDIC DIGIT THREE} * * * *", "\N{ARABIC-INDIC DIGIT THREE}", "ASCII"),
        ("0 0 30 2 *", "30", "never fires"),
        ("0 0 31 4,6,9,11 *", "31", "never fires"),
        ("0 0 */30 * mon#3", "*/30", "never fires"),
        ("*," * 128 + "*", None, "257 characters"),
    ],
)
def test_a_refusal_names_the_token_and_says_what_to_write_instead(
    expression: str, token: str | None, said: str
) -> None:
    with pytest.raises(ScheduleError) as refused:
        Schedule(expression)
    assert said in str(refused.value)
    assert refused.value.token == token
    assert refused.value.expression == expression


@pytest.mark.parametrize("expression", [None, 5, True, b"* * * * *", ["*"], {"a": 1}, 1.5])
def test_what_is_not_text_is_refused_by_its_type(expression: Any) -> None:
    for build in (Schedule, Schedule.parse):
        with pytest.raises(ScheduleError, match=f"this is {type(expression).__name__}"):
            build(expression)


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berln", "'Europe/Berlin'"),
        ("europe/berlin", "'Europe/Berlin'"),
        ("Berlin", "'Europe/Berlin'"),
        ("New York", "'America/New_York'"),
        ("../../etc/passwd", "Write an IANA name"),
        ("Europe", "no time zone 'Europe'"),
        ("localtime", "no time zone"),
        ("x" * 5000, "Write an IANA name"),
        ("a\0b", "Write an IANA name"),
        ("", "Write an IANA name"),
        (None, "not text"),
        (3, "not text"),
    ],
)
def test_an_unknown_zone_is_named_with_the_nearest_one(zone: Any, said: str) -> None:
    for build in (Schedule, Schedule.parse):
        with pytest.raises(ScheduleError) as refused:
            build("0 8 * * *", zone)
        assert said in str(refused.value)


def test_dates_that_never_come_are_refused_at_once() -> None:
    began = time.perf_counter()
    with pytest.raises(ScheduleError, match="never fires"):
        Schedule("* * 31 2,4,6,9,11 *")
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        # Gap: fixed times once at its end, several together once; elapsed time leaves it out.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2024-03-30T12:00+01:00",
            ["2024-03-31T03:00+02:00", "2024-04-01T02:30+02:00"],
        ),
        (
            "0,30 2,3 * * *",
            "Europe/Berlin",
            "2024-03-31T00:00+01:00",
            ["2024-03-31T03:00+02:00", "2024-03-31T03:30+02:00"],
        ),
        ("*/30 2 * * *", "Europe/Berlin", "2024-03-31T00:00+01:00", ["2024-04-01T02:00+02:00"]),
        (
            "30 */2 * * *",
            "Europe/Berlin",
            "2024-03-31T00:00+01:00",
            ["2024-03-31T00:30+01:00", "2024-03-31T04:30+02:00"],
        ),
        # Overlap: fixed times at the first pass; elapsed time at both.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2024-10-27T00:00+02:00",
            ["2024-10-27T02:30+02:00", "2024-10-28T02:30+01:00"],
        ),
        ("30 2 * * *", "Europe/Berlin", "2024-10-27T02:10+01:00", ["2024-10-28T02:30+01:00"]),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2024-10-27T02:00+02:00",
            ["2024-10-27T02:30+02:00", "2024-10-27T02:00+01:00"],
        ),
        (
            "30 * * * *",
            "Europe/Berlin",
            "2024-10-27T02:00+02:00",
            ["2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"],
        ),
        # The overlap of one year and that of the next, on the same Sunday of the month.
        ("*/30 1 * 11 sun#1", "America/New_York", "2024-11-03T01:30-05:00", ["2025-11-02T01:00-04:00"]),
        ("*/30 1 * 11 sun#1", "America/New_York", "2024-11-03T01:30-04:00", ["2024-11-03T01:00-05:00"]),
        # Half an hour; a whole day; midnight itself; an overlap that goes back to the day before.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2017-10-01T00:00+10:30",
            ["2017-10-01T02:30+11:00", "2017-10-02T02:15+11:00"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2017-04-02T00:00+11:00",
            ["2017-04-02T01:45+11:00", "2017-04-03T01:45+10:30"],
        ),
        (
            "0 8,20 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00-10:00",
            ["2011-12-29T20:00-10:00", "2011-12-31T00:00+14:00"],
        ),
        (
            "0 */8 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00-10:00",
            ["2011-12-29T16:00-10:00", "2011-12-31T00:00+14:00"],
        ),
        (
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00-03:00",
            ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"],
        ),
        (
            "30 23 * * *",
            "America/St_Johns",
            "2010-11-06T23:00-02:30",
            ["2010-11-06T23:30-02:30", "2010-11-07T23:30-03:30"],
        ),
        (
            "*/30 * * * *",
            "America/St_Johns",
            "2010-11-06T23:30-02:30",
            ["2010-11-07T00:00-02:30", "2010-11-06T23:30-03:30"],
        ),
    ],
)
def test_where_the_clock_jumps_fixed_times_fire_once_and_starred_ones_follow_elapsed_time(
    expression: str, zone: str, start: str, expected: list[str]
) -> None:
    assert fires(Schedule(expression, zone), start, len(expected)) == expected


def test_a_start_inside_the_second_pass_never_answers_a_time_before_it() -> None:
    start = datetime(2024, 10, 27, 1, 0, tzinfo=UTC)  # Berlin reads 02:00 for the second time
    for expression in ("15,45 2 * * *", "*/15 2 * * *", "* * * * *", "0-59 0-23 * * *", "0 3 * * *"):
        schedule = Schedule(expression, "Europe/Berlin")
        for minute in range(60):
            instant = start + timedelta(minutes=minute)
            assert schedule.after(instant) > instant
            assert schedule.before(instant) < instant


def test_inside_the_second_pass_what_fired_in_the_first_lies_in_the_past() -> None:
    schedule, start = Schedule("45 2 * * *", "Europe/Berlin"), datetime(2024, 10, 27, 1, 10, tzinfo=UTC)
    fired = datetime(2024, 10, 27, 0, 45, tzinfo=UTC)
    assert schedule.before(start) == fired
    assert schedule.after(start) == datetime(2024, 10, 28, 1, 45, tzinfo=UTC)
    assert schedule.count_between(start, start + timedelta(hours=6)) == 0
    assert schedule.count_between(fired - TICK, start) == 1


def test_after_and_before_are_strict_to_the_microsecond() -> None:
    schedule, noon = Schedule("0 12 * * *"), datetime(2024, 5, 5, 12, tzinfo=UTC)
    assert schedule.after(noon) == noon + timedelta(days=1)
    assert schedule.after(noon - TICK) == noon
    assert schedule.before(noon) == noon - timedelta(days=1)
    assert schedule.before(noon + TICK) == noon
    assert schedule.after(noon).tzinfo is UTC
    assert schedule.matches(noon)
    assert not schedule.matches(noon + TICK)


def test_between_leaves_out_its_start_and_takes_in_its_end() -> None:
    schedule, noon = Schedule("0 * * * *"), datetime(2024, 5, 5, 12, tzinfo=UTC)
    assert list(schedule.between(noon, noon + timedelta(hours=2))) == [
        noon + timedelta(hours=1),
        noon + timedelta(hours=2),
    ]
    assert list(schedule.between(noon, noon)) == []
    assert list(schedule.between(noon, noon - timedelta(hours=3))) == []
    assert schedule.count_between(noon, noon - timedelta(hours=3)) == 0


def test_a_naive_instant_is_refused_before_anything_is_walked() -> None:
    schedule, naive, aware = Schedule("0 8 * * *"), datetime(2024, 5, 5), datetime(2024, 5, 5, tzinfo=UTC)  # noqa: DTZ001 on purpose
    for ask in (schedule.after, schedule.before, schedule.matches):
        with pytest.raises(ValueError, match="pass an aware datetime"):
            ask(naive)
    for start, end in ((naive, aware), (aware, naive)):
        with pytest.raises(ValueError, match="pass an aware datetime"):
            schedule.between(start, end)
        with pytest.raises(ValueError, match="pass an aware datetime"):
            schedule.count_between(start, end)
    with pytest.raises(TypeError, match="not date"):
        schedule.after(date(2024, 5, 5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outside the years"):
        schedule.after(datetime.max.replace(tzinfo=UTC))


def test_schedules_are_values_that_cannot_be_changed() -> None:
    schedule = Schedule("0 8 * * *", "Europe/Berlin")
    assert schedule == Schedule.parse("0 8 * * *", "Europe/Berlin")
    assert hash(schedule) == hash(Schedule.parse("0 8 * * *", "Europe/Berlin"))
    assert schedule != Schedule("0 8 * * *")
    assert Schedule.parse("0 8 * * *") is Schedule.parse("0 8 * * *")
    with pytest.raises(AttributeError):
        schedule.zone = "UTC"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/5 * * * *", timedelta(minutes=5)),
        ("0,7 * * * *", timedelta(minutes=7)),
        ("0 * * * *", timedelta(hours=1)),
        ("0,50 * * * *", timedelta(minutes=10)),
        ("0 8,20 * * *", timedelta(hours=12)),
        ("0 0,23 * * *", timedelta(hours=1)),
        ("0 0,23 * * mon", timedelta(hours=23)),
        ("0 8 * * 1-5", timedelta(days=1)),
        ("0 8 * * 1", timedelta(days=7)),
        ("0 8 1 * *", timedelta(days=28)),
        ("0 8 1 1 *", timedelta(days=365)),
        ("0 8 29 2 *", timedelta(days=1461)),
    ],
)
def test_the_shortest_interval_is_that_of_the_closest_fire_times(
    expression: str, expected: timedelta
) -> None:
    assert Schedule(expression).shortest_interval() == expected


@pytest.mark.slow
def test_threads_that_share_a_schedule_get_the_answers_of_one() -> None:
    schedule = Schedule("7 3 */3 * *")
    starts = [datetime(2031, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(3200)]
    found: dict[int, list[datetime]] = {}

    def ask(key: int) -> None:  # each from another day, so that nobody finds what another has remembered
        found[key] = [schedule.after(instant) for instant in starts[key::8]]

    threads = [threading.Thread(target=ask, args=(key,), daemon=True) for key in range(8)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    finally:
        sys.setswitchinterval(usual)
    days._first.cache_clear()
    assert found == {key: [schedule.after(instant) for instant in starts[key::8]] for key in range(8)}


def test_a_thousand_different_schedules_are_parsed_and_asked_well_within_a_second() -> None:
    began, now = time.process_time(), datetime(2026, 6, 1, 12, tzinfo=UTC)
    for minute in range(50):
        for hour in range(20):
            Schedule.parse(f"{minute} {hour} * * *", "Europe/Berlin").after(now)
    assert time.process_time() - began < 1


def test_counting_a_year_with_changes_of_the_clock_costs_less_than_walking_three_days() -> None:
    start = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
    for text, zone in (("* * * * *", "Europe/Berlin"), ("*/2 * * * *", "Australia/Lord_Howe")):
        schedule = Schedule(text, zone)
        began = time.process_time()
        counted = schedule.count_between(start, start + timedelta(days=365))
        between = time.process_time()
        walked = sum(1 for _ in schedule.between(start, start + timedelta(days=3)))
        assert walked == counted * 3 // 365, zone
        assert between - began < time.process_time() - between, zone
