"""The sampler of mutants makes valid, repeatable changes of every kind, and finds the tests of a module."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.__main__ import find_tests
from tests.mutants.sampler import mutants_of

ROOT = Path(__file__).parents[2]
SOURCE = """
LIMIT = 3

def due(now, at, *, grace=0):
    log.info("looked", now=now)
    if now >= at and not held(at, strict=True):
        note(at)
        return now - at + 1
    return None
"""


def test_every_kind_of_change_is_made_and_each_is_valid_python() -> None:
    changes = {(one.before, one.text) for one in mutants_of(Path("due.py"), SOURCE)}
    assert changes == {
        ("now >= at and not held(at, strict=True)", "not (now >= at and not held(at, strict=True))"),
        ("now >= at and not held(at, strict=True)", "(now >= at) or (not held(at, strict=True))"),
        ("now >= at", "now > at"),
        ("not held(at, strict=True)", "(held(at, strict=True))"),
        ("held(at, strict=True)", "held(at)"),
        ("True", "False"),
        ("note(at)", "pass"),
        ("return now - at + 1", "return None"),
        ("1", "2"),
    }


def test_a_change_is_made_where_it_says_also_behind_letters_of_several_bytes() -> None:
    source = 'def f(x):\n    y = "é→"\n    return x < 2\n'
    (flipped,) = [one for one in mutants_of(Path("f.py"), source) if one.text == "x <= 2"]
    assert flipped.apply(source) == 'def f(x):\n    y = "é→"\n    return x <= 2\n'
    assert flipped.line == 3


def test_the_find_tests_a_module_are_those_that_import_it() -> None:
    assert "tests/unit/model/test_backoff.py" in find_tests(ROOT, "chalicelib/model/backoff.py")
    assert "tests/unit/cron/test_schedule.py" in find_tests(ROOT, "chalicelib/cron/schedule.py")
    assert find_tests(ROOT, "chalicelib/no/such.py") == []
