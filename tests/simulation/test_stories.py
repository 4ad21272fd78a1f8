"""Stories of fixed seeds keep every promise, and equal seeds give equal runs."""

from __future__ import annotations

import pytest

from tests.simulation.story import draw
from tests.simulation.world import play

QUICK = (183, 146)


@pytest.mark.parametrize("seed", QUICK)
def test_whatever_happens_every_promise_is_kept(seed: int) -> None:
    assert play(draw(seed)).boundary.commits > 100


def test_an_equal_seed_gives_an_equal_run() -> None:
    first, second = play(draw(176), trace=True), play(draw(176), trace=True)
    assert first.trace == second.trace
    assert first.digest.hexdigest() == second.digest.hexdigest()
