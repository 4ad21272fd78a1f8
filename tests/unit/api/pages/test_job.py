from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.api.pages.form import FORM_TYPE, PARAMS, Form
from chalicelib.api.problems import ProblemError
from chalicelib.model.runs import Outcome, RunState, Verdict
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Answer, Client, execute


def request_of(body: str) -> Any:
    headers = {"content-type": FORM_TYPE}
    return SimpleNamespace(raw_body=body.encode(), headers=headers)


SCHEMA = {
    "type": "object",
    "properties": {
        "volume": {"enum": ["all", "nas-1"], "default": "all", "description": "One volume, or all"},
        "rate": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 400},
        "dry_run": {"type": "boolean", "default": False},
        "hosts": {"type": "array", "items": {"type": "string"}},
    },
}


def send(client: Client, path: str, **fields: str) -> Answer:
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    return client.ask("POST", path, urlencode(fields).encode(), kind)


@pytest.fixture
def copy(sauron: Sauron, clock: ManualClock) -> Sauron:
    params = {"schema": SCHEMA, "model": False}
    define(
        sauron.store,
        clock,
        "copy",
        "0 3 * * *",
        params=params,
        timeout_seconds=3600,
        secrets=[{"key": "BUCKET"}],
    )
    return sauron


def test_the_page_of_a_job_says_how_it_is_and_what_it_did(
    copy: Sauron, client: Client, clock: ManualClock
) -> None:
    night = clock.now() - timedelta(hours=9)
    record(copy.store, "copy", RunState.SUCCEEDED, night - timedelta(days=1), seconds=100)
    record(
        copy.store, "copy", RunState.SKIPPED, night - timedelta(hours=1), reason="the one before still ran"
    )
    record(copy.store, "copy", RunState.TIMED_OUT, night, seconds=3600, error="Stopped after 1 h.")
    copy.duties.review()
    page = client.get("/ui/jobs/copy").body
    for said in (
        "Timed out, since",
        "Stopped after 1 h.",
        "50 %",
        "1 of 2 that ran",
        "1 skipped, 0 missed",
        "the one before still ran",
        "at 03:00",
        "BUCKET",
        "1 timed out, 1 skipped, 1 succeeded",
        "Tue 03 Mar 03:00",
    ):
        assert said.lower() in page.lower(), said


def test_the_form_is_made_from_the_schema_and_sends_values_of_its_types(copy: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs/copy").body
    assert "One volume, or all" in page
    assert "1 to 1000" in page
    sent = {
        "params.": "",
        "params.volume": "nas-1",
        "params.rate": "20",
        "params.hosts": '["a", "b"]',
        "reason": "by hand",
    }
    answer = send(client, "/ui/jobs/copy/trigger", **sent)
    assert answer.status == 303
    (run,) = client.get("/runs").json["runs"]
    assert run["params"] == {"volume": "nas-1", "rate": 20, "dry_run": False, "hosts": ["a", "b"]}
    assert run["reason"] == "by hand"
    send(client, "/ui/jobs/copy/trigger", **{"params.dry_run": "on"})
    assert client.get("/runs").json["runs"][0]["params"] == {"dry_run": True}
    send(client, "/ui/jobs/copy/trigger")
    assert client.get("/runs").json["runs"][0]["params"] is None


@pytest.mark.parametrize(
    ("act", "fields", "said"),
    [
        ("trigger", {"params.rate": "fast"}, "params.rate"),
        ("trigger", {"params.rate": "2000"}, "rate"),
        ("trigger", {"params.hosts": "[a"}, "params.hosts"),
        ("trigger", {"params.colour": "red"}, "colour"),
        ("trigger", {"reason": "x" * 501}, "reason"),
        ("trigger", {"params.rate": "1e999"}, "params.rate"),
        ("trigger", {"params.hosts": "[NaN]"}, "params.hosts"),
        ("trigger", {"reason": "a\0b"}, "reason"),
        ("disable", {"util": "2026-12-01T00:00"}, "util"),
        ("disable", {"until": "next monday"}, "until"),
        ("disable", {"until": "2020-01-01T00:00"}, "until"),
        ("disable", {"until": "2026-04-01T00:00", "tz": "Mars/Base"}, "until"),
    ],
)
def test_a_field_that_cannot_be_read_comes_back_as_a_page_that_names_it(
    copy: Sauron, client: Client, act: str, fields: dict[str, Any], said: str
) -> None:
    answer = send(client, f"/ui/jobs/copy/{act}", **fields)
    assert answer.status == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert said in answer.body
    assert client.get("/runs").json["runs"] == []
    assert client.get("/jobs/copy").json["enabled"]


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "12", "12"),
        ({"type": ["string", "null"]}, "abc", "abc"),
        ({"type": ["integer", "null"]}, "12", 12),
        (True, "12", 12),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({}, "[" * 60_000, "[" * 60_000),
    ],
)
def test_a_field_is_of_a_type_that_its_schema_takes(declared: Any, text: str, value: Any) -> None:
    form = Form(request_of(urlencode({"params.": "", "params.x": text})), PARAMS)
    assert form.params({"properties": {"x": declared}}) == {"x": value}


def test_a_box_that_is_not_ticked_is_false_where_the_form_had_it() -> None:
    schema = {"properties": {"dry_run": {"type": "boolean", "default": True}}}
    assert Form(request_of("params.=&reason=x"), PARAMS).params(schema) == {"dry_run": False}
    assert Form(request_of("reason=x")).params(schema) is None


def test_a_form_of_too_many_fields_is_refused() -> None:
    with pytest.raises(ProblemError, match="more than 200 fields"):
        Form(request_of("&".join(f"a{number}=1" for number in range(201))))


def test_the_reason_of_every_form_is_in_the_audit_log(copy: Sauron, client: Client) -> None:
    send(client, "/ui/jobs/copy/trigger", reason="by hand")
    (run,) = client.get("/runs").json["runs"]
    send(client, f"/ui/runs/{run['id']}/cancel", reason="wrong", confirm="yes")
    send(client, f"/ui/runs/{run['id']}/retry", reason="again")
    send(client, "/ui/jobs/copy/disable", reason="noisy", confirm="yes")
    send(client, "/ui/sync", reason="now")
    entries = client.get("/audit-log").json["entries"]
    assert [one["reason"] for one in reversed(entries)] == ["by hand", "wrong", "again", "noisy", "now"]


def test_a_switch_has_a_reason_and_an_end_in_the_zone_of_the_page(copy: Sauron, client: Client) -> None:
    fields = {"reason": "the disks move", "until": "2026-04-01T08:00", "tz": "Europe/Berlin"}
    send(client, "/ui/jobs/copy/disable", **fields, confirm="yes")
    override = client.get("/jobs/copy").json["override"]
    assert (override["reason"], override["until"]) == ("the disks move", "2026-04-01T06:00:00Z")
    page = client.get("/ui/jobs/copy").body
    assert "the disks move" in page
    assert "Switch on" in page
    assert "/ui/jobs/copy/trigger" not in page


def test_an_older_page_of_the_ledger_is_a_link(copy: Sauron, client: Client, clock: ManualClock) -> None:
    for minutes in range(25):
        record(
            copy.store,
            "copy",
            RunState.SUCCEEDED,
            clock.now() - timedelta(minutes=minutes),
            reason=f"run {minutes}.",
        )
    page = client.get("/ui/jobs/copy").body
    assert "run 0." in page
    assert "run 24." not in page
    older = page.partition('rel="next" href="')[2].partition("#")[0]
    assert "run 24." in client.get(f"/ui/jobs/copy{older}").body


def test_a_job_that_is_not_there_is_a_page_that_says_so(copy: Sauron, client: Client) -> None:
    answer = client.get("/ui/jobs/copi", Accept="text/html")
    assert answer.status == 404
    assert "copi" in answer.body


def test_the_page_answers_why_in_the_zone_of_the_job(copy: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs/copy?at=2026-03-03T03:00").body
    assert "<b>Due.</b>" in page
    assert "Job copy is due at 2026-03-03 03:00 UTC" in page
    assert 'value="2026-03-03T03:00"' in page
    answer = client.get("/ui/jobs/copy?at=tomorrow", Accept="text/html")
    assert (answer.status, "Query parameter &#39;at&#39;" in answer.body) == (400, True)


def test_the_message_about_a_run_says_what_became_of_it(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    page = send(client, "/ui/jobs/nightly-backup/trigger").headers["location"]
    assert re.search(r"The run was queued\. .* queued</span> <a", client.get(page).body)
    execute(sauron, clock, Verdict(Outcome.FAILED, error="no room"))
    sauron.duties.review()
    after = client.get(page).body
    assert re.search(r"The run was queued\. .* failed</span> <a", after)
    assert re.search(r'Cure: the log of the run.* <a href="/ui/runs/[^"]+#log">See the log</a>', after)
    assert "See the run" not in client.get(re.sub("run=.", "run=x", page)).body


def test_a_switch_that_only_says_on_hides_no_description(sauron: Sauron, client: Client) -> None:
    described = client.get("/jobs/nightly-backup").json["description"]
    client.post("/jobs/nightly-backup/disable")
    assert f"<small>{described}</small>" not in client.get("/ui/jobs").body
    client.post("/jobs/nightly-backup/enable")
    assert f"<small>{described}</small>" in client.get("/ui/jobs").body
