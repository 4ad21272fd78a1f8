"""Jobs as the store keeps them."""

from __future__ import annotations

import pytest

from chalicelib.store import Store, registry
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

TOKEN = {"key": "CRM_TOKEN", "required": True}


@pytest.mark.parametrize("shape", [{"secrets": []}, {"secrets": None}])
def test_a_job_with_secrets_is_found_whatever_its_params_schema_says(
    store: Store, clock: ManualClock, shape: dict[str, object]
) -> None:
    define(store, clock, "crm", secrets=[TOKEN], params={"schema": {"default": shape}})
    with store.read() as tx:
        assert [job.id for job in registry.with_secrets(tx)] == ["crm"]


def test_a_job_without_secrets_is_not_found_whatever_its_params_schema_says(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "none", params={"schema": {"default": {"secrets": [TOKEN]}}})
    define(store, clock, "empty", secrets=[])
    with store.read() as tx:
        assert registry.with_secrets(tx) == []
