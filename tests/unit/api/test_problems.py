"""A store that gives no connection is told as a problem."""

from __future__ import annotations

import io
import json

from chalice.app import Blueprint, Chalice
from sqlalchemy import QueuePool, create_engine

from chalicelib.api.routing import get
from chalicelib.store import refusals
from sauron.gateway import Gateway


def test_a_pool_without_a_free_connection_is_503_and_not_500(log_text: io.StringIO) -> None:
    pool = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    blueprint = Blueprint("small")

    @get(blueprint, "/read")
    def read() -> dict[str, str]:
        with pool.connect():
            return {}

    small = Chalice("small", configure_logs=False)
    small.register_blueprint(blueprint)
    gateway = Gateway(small)
    with pool.connect():
        answer = gateway.handle("GET", "/read", {}, b"")
    assert (answer.status, json.loads(answer.body)["detail"]) == (503, refusals.BUSY)
    assert "QueuePool limit" in log_text.getvalue()
    assert gateway.handle("GET", "/read", {}, b"").status == 200
    pool.dispose()
