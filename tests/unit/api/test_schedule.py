from __future__ import annotations

from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client


def test_next_lists_what_fires_first(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    define(sauron.store, clock, "pulse", "*/30 * * * *")
    answer = client.get("/next?count=3").json
    assert [(run["job_id"], run["next_run_at"]) for run in answer["next_runs"]] == [
        ("pulse", "2026-03-02T12:30:00Z"),
        ("pulse", "2026-03-02T13:00:00Z"),
        ("pulse", "2026-03-02T13:30:00Z"),
    ]
    assert answer["count"] == 3


def test_audit_is_clean_until_a_row_is_lost(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    define(sauron.store, clock, "pulse", "* * * * *")
    sauron.duties.tick()
    clock.move(minutes=2)
    sauron.duties.tick()
    clean = client.get("/audit").json
    assert (clean["clean"], clean["holes"], clean["count"]) == (True, [], 0)
    assert clean["occurrences"] > 0
    lost = client.get("/runs?job_id=pulse").json["runs"][-1]
    with sauron.store.write() as tx:
        tx.exec_driver_sql("DELETE FROM job_queue WHERE id = ?", (lost["id"],))
    holed = client.get("/audit?job_id=pulse").json
    assert (holed["clean"], holed["count"]) == (False, 1)
    assert holed["holes"][0]["fire_at"] == lost["scheduled_for"]


def test_an_audit_of_a_job_there_is_not_is_404(client: Client, sauron: Sauron) -> None:
    assert client.get("/audit?job_id=nightly-backup").status == 200
    refused = client.get("/audit?job_id=nope")
    assert refused.status == 404
    assert "nope" in refused.json["detail"]
    assert sauron.vitals is None
