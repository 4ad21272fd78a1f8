from __future__ import annotations

import pytest

from chalicelib.store import Store, job_state
from tests.conftest import ManualClock

pytestmark = pytest.mark.every_store


def test_each_job_has_a_durable_key_value_store_of_its_own(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        job_state.put(tx, "a", "count", {"n": 1}, now=clock.now())
        job_state.put(tx, "a", "count", {"n": 2}, now=clock.now())
        job_state.put(tx, "b", "count", None, now=clock.now())
    with store.write() as tx:
        assert (job_state.get(tx, "a", "count"), job_state.get(tx, "b", "count")) == ({"n": 2}, None)
        assert job_state.keys(tx, "a") == ["count"]
        job_state.remove(tx, "a", "count")
        with pytest.raises(KeyError):
            job_state.get(tx, "a", "count")
        with pytest.raises(KeyError):
            job_state.remove(tx, "a", "count")
        assert job_state.keys(tx, "b") == ["count"]


def test_a_renamed_job_keeps_its_state(store: Store, clock: ManualClock) -> None:
    with store.write() as tx:
        job_state.put(tx, "old", "k", 1, now=clock.now())
        job_state.rename(tx, "old", "new")
        assert job_state.get(tx, "new", "k") == 1
