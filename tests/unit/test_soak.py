"""A soak tells growth from noise."""

from __future__ import annotations

import pytest

from tests.soak.samples import LATENESS, MEASURES, Sample, compare


def samples(count: int, *, late: float = 20, **grows: float) -> list[Sample]:
    """So many samples of 100 each; what is named grows by so much with each sample, lateness likewise."""
    values = {one.name: 100.0 for one in MEASURES if one.name != LATENESS}
    return [
        Sample(
            number,
            {name: value + number * grows.get(name.split()[0], 0) for name, value in values.items()},
            (late + number * grows.get("lateness", 0),) * 5,
        )
        for number in range(count)
    ]


def grown(some: list[Sample]) -> list[str]:
    return [row.measure.name for row in compare(some) if row.grew]


def test_a_soak_in_which_all_stays_as_it_is_is_flat() -> None:
    assert grown(samples(40)) == []


def test_a_soak_names_what_grew() -> None:
    cases = {
        "memory": {"memory of all processes (PSS)", "memory of the runner (PSS)"},
        "descriptors": {"descriptors of the runner", "descriptors of all processes"},
        "processes": {"processes"},
        "write-ahead": {"write-ahead log of the store"},
        "temporary": {"temporary files"},
        "files": {"files in the state folder"},
        "lateness": {LATENESS},
    }
    assert {name for named in cases.values() for name in named} == {one.name for one in MEASURES}
    for what, named in cases.items():
        assert set(grown(samples(40, **{what: 50}))) == named, what


def test_a_steady_growth_within_the_noise_is_told_apart_from_what_stays() -> None:
    verdicts = {row.measure.name: row.verdict for row in compare(samples(40, descriptors=0.5, files=50))}
    assert verdicts["descriptors of the runner"] == "rising"
    assert verdicts["files in the state folder"] == "GREW"
    assert verdicts["processes"] == "flat"


def test_the_samples_of_the_warm_up_do_not_count() -> None:
    late = samples(40)
    late[0] = Sample(0, dict.fromkeys(late[0].values, 5.0), (0.0,))
    rows = compare(late)
    assert {row.quarters for row in rows if row.measure.name != LATENESS} == {(100.0,) * 4}
    assert {row.quarters for row in rows if row.measure.name == LATENESS} == {(20.0,) * 4}


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        compare(samples(7))
