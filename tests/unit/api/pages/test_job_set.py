from __future__ import annotations

from datetime import timedelta

from chalicelib.api.pages.job_set import switches
from chalicelib.store.standings import Standing
from tests.conftest import START

HOUR = timedelta(hours=1)


def stood(
    hours: int, *, enabled: bool = True, who: str | None = None, rejected: str | None = None
) -> Standing:
    at = START + hours * HOUR
    return Standing(at, enabled, overridden=who is not None, who=who, rejected=rejected)


def test_a_switch_lasts_until_something_else_is_decided() -> None:
    known = [
        stood(0),
        stood(1, enabled=False, who="ada"),
        stood(2, enabled=False, who="ada", rejected="hour 25"),  # still the same switch
        stood(3),
        stood(4, enabled=False, who="bob"),
    ]
    found = [(one.who, one.since - START, one.ended and one.ended - START) for one in switches(known)]
    assert found == [("bob", 4 * HOUR, None), ("ada", HOUR, 3 * HOUR)]


def test_what_git_decides_is_no_switch_of_a_person() -> None:
    assert switches([stood(0), stood(1, enabled=False), stood(2)]) == []
