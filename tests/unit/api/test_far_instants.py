"""Times at the ends of the calendar, such as "until 9999-12-31", are shown in every zone or refused."""

from __future__ import annotations

import pytest

import app as application
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Client, trigger

FOR_EVER = "9999-12-31T23:59:59.999999Z"


@pytest.mark.slow
def test_a_switch_and_a_pause_for_ever_are_shown_on_every_page_in_every_zone(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "far-east", "0 3 * * *", timezone="Pacific/Kiritimati")
    run_id = trigger(client)
    for path in ("/jobs/nightly-backup/disable", "/jobs/far-east/disable", "/pause"):
        assert client.post(path, {"reason": "for ever", "until": FOR_EVER}).status == 200
    for path, methods in application.app.routes.items():
        for job_id in ("nightly-backup", "far-east") if "GET" in methods else ():
            asked = path.format(job_id=job_id, run_id=run_id, name="x", digest="x")
            for zone in ("", "?tz=Pacific/Kiritimati", "?tz=America/Los_Angeles"):
                answer = client.get(asked + zone)
                assert answer.status < 500 or path == "/ready", (asked, zone, answer.body[:300])
    assert client.get("/jobs/far-east").json["override"]["until"] == FOR_EVER


def test_a_simulation_outside_the_years_of_schedules_is_refused(sauron: Sauron, client: Client) -> None:
    for span in (
        "from=9999-12-31T00:00:00Z",
        "from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59Z",
        "from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z",
        "from=0001-01-01T00:00:00Z",
        "to=9999-12-31T23:59:59Z",
    ):
        said = client.get(f"/simulate?{span}").problem
        assert (said["status"], "outside the years 1901 to 9898" in said["detail"]) == (422, True), span
