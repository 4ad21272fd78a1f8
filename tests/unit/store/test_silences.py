from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.store import Store, silences
from tests.conftest import ManualClock

pytestmark = pytest.mark.every_store


def test_silences_that_were_not_over_at_an_instant_are_found_in_their_order(
    store: Store, clock: ManualClock
) -> None:
    now, hour = clock.now(), timedelta(hours=1)
    times = [(now - 9 * hour, now - 8 * hour), (now - 5 * hour, now - 3 * hour), (now - 2 * hour, now - hour)]
    with store.write() as tx:
        for since, until in reversed(times):
            silences.note(tx, since=since, until=until)
        assert silences.since(tx, now - 4 * hour) == times[1:]
        assert silences.since(tx, now - hour) == []
