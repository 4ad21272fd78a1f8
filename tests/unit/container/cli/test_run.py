from __future__ import annotations

import click
import pytest

from sauron.cli.run import read_params


def test_a_value_is_json_where_it_is_json_and_text_elsewhere() -> None:
    given = [
        "n=3",
        "on=true",
        'list=["a", 1]',
        "name=Frodo of the Nine",
        "empty=",
        "sum=1+1=2",
        "nan=NaN",
        'quoted="3"',
    ]
    assert read_params(given) == {
        "n": 3,
        "on": True,
        "list": ["a", 1],
        "name": "Frodo of the Nine",
        "empty": "",
        "sum": "1+1=2",
        "nan": "NaN",
        "quoted": "3",
    }


def test_no_parameters_are_none() -> None:
    assert read_params([]) is None


@pytest.mark.parametrize(
    ("given", "named"), [(["n"], "name=value"), (["=3"], "name=value"), (["n=1", "n=2"], "twice")]
)
def test_a_parameter_without_name_or_given_twice_is_wrong_use(given: list[str], named: str) -> None:
    with pytest.raises(click.UsageError, match=named):
        read_params(given)
