from __future__ import annotations

import random
from collections import Counter

from chalicelib.answers.load import Load


def test_the_counters_count_each_minute() -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    for jobs in (0, 1, 2, 3, 40):
        load, counted = Load(), Counter[int]()
        for _ in range(jobs):
            fires = {place for place in range(60) if chance.random() < 0.4}
            load.add(sum(1 << place for place in fires))
            counted.update(fires)
        part = {place for place in range(60) if chance.random() < 0.5}
        assert load.count() == counted.total()
        assert load.count(sum(1 << place for place in part)) == sum(counted[place] for place in part)
        most = max(counted.values(), default=0)
        first = min((place for place, count in counted.items() if count == most), default=None)
        assert load.fullest() == (None if first is None else (first, most))
