"""The times in which a schedule is in force, with what an override will change; edges worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.answers.spans import Span, covering, following, previous, spans_of
from chalicelib.cron.schedule import Schedule
from chalicelib.model.jobs import Override
from chalicelib.store.periods import Period
from tests.unit.answers.evidence import a_job

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(hour: int, minute: int = 0) -> datetime:
    return NOON.replace(hour=hour, minute=minute)


HOURLY, HALF_PAST = Schedule.parse("0 * * * *"), Schedule.parse("30 * * * *")
SPANS = [Span(at(8), at(10), HOURLY, None), Span(at(12), None, HALF_PAST, None)]


@pytest.mark.parametrize(
    ("instant", "number"),
    [(at(8), None), (at(9), 0), (at(10), 0), (at(11), None), (at(12), None), (at(13), 1)],
)
def test_a_span_begins_after_its_first_instant_and_holds_its_last(
    instant: datetime, number: int | None
) -> None:
    assert covering(SPANS, instant) == (None if number is None else SPANS[number])


@pytest.mark.parametrize(
    ("instant", "before", "after"),
    [
        (at(7), None, at(9)),
        (at(9), None, at(10)),
        (at(10), at(9), at(12, 30)),
        (at(11), at(10), at(12, 30)),
        (at(12, 30), at(10), at(13, 30)),
        (at(13), at(12, 30), at(13, 30)),
    ],
)
def test_the_occurrences_beside_an_instant_are_those_of_the_schedules_in_force(
    instant: datetime, before: datetime | None, after: datetime | None
) -> None:
    assert (previous(SPANS, instant), following(SPANS, instant)) == (before, after)


def test_the_end_of_an_override_begins_or_ends_a_span() -> None:
    until = NOON + timedelta(hours=3)
    open_since = [Period("j", at(8), None, "0 * * * *", "UTC", None)]
    off = Override(False, None, "ann", NOON, until)
    switched_off = a_job("0 * * * *", now=NOON, override=off)
    closed = [Period("j", at(8), NOON, "0 * * * *", "UTC", None)]
    assert following(spans_of(switched_off, closed), NOON) == until + timedelta(hours=1)
    on = Override(True, None, "ann", NOON, until)
    switched_on = a_job("0 * * * *", now=NOON, override=on, enabled=False)
    assert following(spans_of(switched_on, open_since), until - timedelta(minutes=1)) == until
    assert following(spans_of(switched_on, open_since), until) is None
    for_good = a_job("0 * * * *", now=NOON, override=on)  # git has it on as well
    assert following(spans_of(for_good, open_since), until) == until + timedelta(hours=1)
    gone = a_job("0 * * * *", now=NOON, override=off, removed_at=NOON)
    assert following(spans_of(gone, closed), NOON) is None


def test_a_period_of_a_zone_that_an_update_dropped_is_left_out() -> None:
    gone = [Period("j", at(8), None, "0 * * * *", "Europe/Gone", None)]
    assert spans_of(a_job("0 * * * *", now=NOON), gone) == []
