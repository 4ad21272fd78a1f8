from __future__ import annotations

import pytest

from chalicelib.maintenance.tidy import tidy
from chalicelib.store import Store, runners
from tests.conftest import ManualClock

pytestmark = pytest.mark.every_store


def test_a_drained_runner_that_is_cut_off_is_still_drained_when_it_is_back(
    store: Store, clock: ManualClock
) -> None:
    def seen(name: str) -> None:
        with store.write() as tx:
            runners.runner_seen(tx, runners.Runner(name, "host", 1, "3.0.0", clock.now(), clock.now()))

    seen("drained")
    seen("gone")
    with store.write() as tx:
        assert runners.drain(tx, "drained", draining=True)
    clock.move(hours=1)
    tidy(store, clock)
    seen("drained")
    with store.read() as tx:
        assert [(one.name, one.draining) for one in runners.all_runners(tx)] == [("drained", True)]
    clock.move(days=2)
    tidy(store, clock)
    with store.read() as tx:
        assert runners.all_runners(tx) == []
