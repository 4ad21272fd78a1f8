"""Acts ask once more: what their pages say, what is kept after a mistake, and what is in the audit log."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.model.runs import RunState
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Answer, Client, basic, begin
from tests.unit.api.conftest import Build

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


def send(client: Client, path: str, *fields: tuple[str, str], **named: str) -> Answer:
    return client.ask("POST", path, urlencode([*fields, *named.items()]).encode(), FORM)


def fields_of(page: str) -> dict[str, str]:
    """Return the values of the act's form, as a browser would send them again."""
    form = page.partition('<form class="fields" method="post"')[2].partition("</form>")[0]
    return dict(re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"[^>]*? value="([^"]*)"', form))


def acts(client: Client) -> list[tuple[str, str, str]]:
    entries = client.get("/audit-log").json["entries"]
    return [(one["act"], one["subject"], one["outcome"]) for one in reversed(entries)]


def told(answer: Answer) -> str:
    """Return a page whose instants are plain text."""
    return re.sub("</?time[^>]*>", "", answer.body)


def test_switching_off_asks_once_more_and_counts_what_would_be_skipped(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    asked = send(client, "/ui/jobs/nightly-backup/disable", reason="disks", until="2026-03-05T08:00")
    assert asked.status == 200
    for said in (
        "Switch nightly-backup off?",
        "Nothing has been changed yet.",
        "3 occurrences are skipped",  # 03:00 of the 3rd, 4th and 5th
        "Tue 03 Mar 03:00, Wed 04 Mar 03:00, Thu 05 Mar 03:00",
        "Thu 05 Mar 08:00; first run Fri 06 Mar 03:00",
        "Nothing runs now",
        "Switch off until Thu 08:00",
    ):
        assert said in told(asked), said
    assert client.get("/jobs/nightly-backup").json["enabled"]
    assert acts(client) == []
    again = fields_of(asked.body)
    assert again["confirm"]
    done = send(client, "/ui/jobs/nightly-backup/disable", **again)
    assert (done.status, done.headers["location"]) == (303, "/ui/jobs/nightly-backup?did=disabled")
    override = client.get("/jobs/nightly-backup").json["override"]
    assert (override["reason"], override["until"]) == ("disks", "2026-03-05T08:00:00Z")
    assert acts(client) == [("disable", "nightly-backup", "done")]


def test_what_runs_and_waits_is_said_before_a_job_is_switched_off(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for _ in range(2):
        client.post("/jobs/nightly-backup/trigger")
    begin(sauron, clock)
    page = client.get("/ui/jobs/nightly-backup/disable").body
    assert "1 run goes on" in page
    assert "1 run by hand still waits its turn" in page
    assert "Every occurrence is skipped" in page
    assert "7 in the next 7 days" in page


def test_an_end_that_is_a_click_away_keeps_what_was_typed(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs/nightly-backup/disable?tz=Europe/Vienna").body
    ends = re.findall(r'<button name="choice" value="([^"]+)">', page)
    # now is Monday 2 March 2026, 12:00 UTC, 13:00 in Vienna
    assert ends == ["2026-03-02T14:00", "2026-03-03T08:00", "2026-03-09T08:00", "2026-03-09T13:00"]
    sent = fields_of(page) | {"reason": "a & b", "until": "2026-03-04T08:00", "choice": ends[2]}
    filled = send(client, "/ui/jobs/nightly-backup/disable", tz="Europe/Vienna", **sent).body
    assert fields_of(filled) | {"key": ""} == {
        "confirm": "yes", "key": "", "reason": "a &amp; b", "until": "2026-03-09T08:00"
    }  # fmt: skip
    assert "7 occurrences are skipped" in filled
    assert 'datetime="2026-03-09T07:00:00Z"' in filled
    assert re.findall(r'aria-pressed="true">([^<]+)<', filled) == ["Monday 08:00"]
    assert client.get("/jobs/nightly-backup").json["enabled"]  # nothing was done, nor noted
    assert acts(client) == []


def test_ends_that_are_the_same_instant_stand_there_once(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    clock.move(days=6)  # to a Sunday
    page = client.get("/ui/jobs/nightly-backup/disable").body
    words = re.findall(r'<button name="choice" value="[^"]+">([^<]+)<', page)
    assert words == ["1 hour", "tomorrow, Monday 08:00", "a week"]


def test_enter_in_a_field_does_what_the_main_button_does(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs/nightly-backup/disable").body
    first = re.findall(r"<button[^>]*>", page.partition('method="post"')[2])[0]
    assert "name=" not in first  # a browser presses the first button


@pytest.mark.parametrize("until", ["yesterday", "2020-01-01T00:00", "2026-13-01T00:00"])
def test_a_mistake_keeps_what_was_typed_and_names_its_field(
    sauron: Sauron, client: Client, until: str
) -> None:
    answer = send(client, "/ui/jobs/nightly-backup/disable", reason='"disks" <b>', until=until, confirm="yes")
    assert answer.status == 422
    assert re.search(r'class="wrong" id="f-until-wrong">until: [^<]+<', answer.body)
    assert fields_of(answer.body)["until"] == until
    assert fields_of(answer.body)["reason"] == "&#34;disks&#34; &lt;b&gt;"
    assert client.get("/jobs/nightly-backup").json["enabled"]
    assert acts(client) == [("disable", "nightly-backup", "refused")]


def test_a_mistake_in_params_keeps_the_others(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    schema = {
        "properties": {
            "rate": {"type": "integer", "maximum": 9},
            "note": {"type": "string"},
            "dry": {"type": "boolean"},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["day"],
    }
    define(sauron.store, clock, "copy", "0 3 * * *", params={"schema": schema, "model": False})
    sent = {"params.": "", "params.rate": "10", "params.note": "a\nb", "params.dry": "on", "reason": "why"}
    answer = send(client, "/ui/jobs/copy/trigger", **sent)
    assert answer.status == 422
    assert "params.rate: 10 is greater than the maximum of 9" in answer.body
    assert "params.day: it is missing" in answer.body
    assert fields_of(answer.body)["params.rate"] == "10"
    assert fields_of(answer.body)["params.note"] == "a\nb"
    assert re.search(r'name="params.dry"[^>]* checked', answer.body)
    assert client.get("/runs").json["runs"] == []


def test_every_field_that_cannot_be_read_is_told_at_its_place(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    schema = {
        "properties": {"rate": {"type": "integer"}, "hosts": {"type": "object"}, "note": {"type": "string"}},
        "additionalProperties": True,
    }
    define(sauron.store, clock, "copy", "0 3 * * *", params={"schema": schema, "model": False})
    sent = {"params.rate": "many", "params.hosts": "a: 1", "params.note": "x", "params.": "[1]"}
    answer = send(client, "/ui/jobs/copy/trigger", **sent)
    assert answer.status == 422
    assert "3 fields need another look" in answer.body
    for name in ("rate", "hosts", ""):
        assert re.search(rf'name="params\.{name}"[^>]* aria-invalid="true"', answer.body), name
        assert f'id="f-params.{name}-wrong"' in answer.body
    assert fields_of(answer.body)["params.note"] == "x"
    as_json = client.ask(
        "POST", "/ui/jobs/copy/trigger", urlencode(sent).encode(), FORM | {"Accept": "application/json"}
    )
    assert len(as_json.problem["faults"]) == 3


def test_a_program_that_wants_json_gets_the_problem(sauron: Sauron, client: Client) -> None:
    kind = FORM | {"Accept": "application/json"}
    answer = client.ask("POST", "/ui/jobs/nightly-backup/disable", b"until=soon&confirm=1", kind)
    assert answer.status == 422
    assert "until" in answer.problem["detail"]


def test_the_form_with_params_asks_and_is_done_once_however_often_it_is_sent(
    sauron: Sauron, client: Client
) -> None:
    asked = send(client, "/ui/jobs/nightly-backup/trigger", ask="yes", reason="by hand")
    assert (asked.status, "A run is queued now" in asked.body) == (200, True)
    assert client.get("/runs").json["runs"] == []
    fields = fields_of(asked.body)
    first = send(client, "/ui/jobs/nightly-backup/trigger", **fields)
    second = send(client, "/ui/jobs/nightly-backup/trigger", **fields)
    (run,) = client.get("/runs").json["runs"]
    assert first.headers["location"] == f"/ui/jobs/nightly-backup?did=triggered&run={run['id']}"
    assert second.headers["location"] == f"/ui/jobs/nightly-backup?did=again&run={run['id']}"
    assert "sent before" in client.get(second.headers["location"]).body


def test_a_mistake_is_told_before_a_run_is_asked_about(sauron: Sauron, client: Client) -> None:
    answer = send(client, "/ui/jobs/digest/trigger", ask="yes")  # it is off
    assert answer.status == 400
    assert "disabled" in answer.body


def test_cancelling_asks_and_says_what_is_stopped(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run = client.post("/jobs/nightly-backup/trigger").json["queue_id"]
    begin(sauron, clock)
    clock.move(seconds=300)
    asked = send(client, f"/ui/runs/{run}/cancel", reason="wrong")
    assert asked.status == 200
    assert "Its processes are stopped" in asked.body
    assert "it has run for 5 min" in asked.body
    assert "its next occurrence is Tue 03 Mar 03:00" in told(asked)
    assert '<time datetime="2026-03-03T03:00:00Z"' in asked.body
    done = send(client, f"/ui/runs/{run}/cancel", **fields_of(asked.body))
    assert done.headers["location"] == f"/ui/runs/{run}?did=cancelled"
    assert acts(client)[-1] == ("cancel", run, "done")


def test_a_run_that_is_over_cannot_be_cancelled(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run = record(sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(hours=1))
    assert client.get(f"/ui/runs/{run}/cancel").status == 409
    assert send(client, f"/ui/runs/{run}/cancel", confirm="yes").status == 409


def test_a_retry_that_is_sent_twice_makes_one_run(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    run = record(sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(hours=1))
    key = re.search(r'name="key" value="([^"]+)"', client.get(f"/ui/runs/{run}").body)
    assert key
    places = {send(client, f"/ui/runs/{run}/retry", key=key[1]).headers["location"] for _ in range(2)}
    assert len(places) == 1
    assert send(client, f"/ui/runs/{run}/retry").headers["location"] not in places


def test_an_end_that_the_clock_skips_or_repeats_is_read_as_the_page_says(
    sauron: Sauron, client: Client
) -> None:
    path = "/ui/jobs/nightly-backup/disable"
    gap = send(client, path, until="2026-03-29T02:30", tz="Europe/Vienna")
    assert "02:30 does not exist on 2026-03-29 in Europe/Vienna" in gap.body
    assert 'datetime="2026-03-29T01:00:00Z"' in gap.body
    send(client, path, until="2026-10-25T02:30", tz="Europe/Vienna", confirm="yes")
    assert client.get("/jobs/nightly-backup").json["override"]["until"] == "2026-10-25T00:30:00Z"


def bulk(client: Client, act: str, *jobs: str, **named: str) -> Answer:
    return send(client, "/ui/jobs", *(("job", job) for job in jobs), act=act, **named)


def test_several_jobs_are_asked_about_by_name_with_those_that_cannot(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    params: dict[str, Any] = {"schema": {"properties": {"n": {}}, "required": ["n"]}, "model": False}
    define(sauron.store, clock, "needy", "0 3 * * *", params=params)
    asked = bulk(client, "trigger", "nightly-backup", "digest", "needy", "nobody")
    assert asked.status == 200
    assert "Run 1 job?" in asked.body
    for job in ("digest", "needy", "nobody"):
        assert f"Not {job}" in asked.body
    assert re.findall(r'name="job" value="([^"]+)"', asked.body) == ["nightly-backup"]
    assert client.get("/runs").json["runs"] == []
    assert acts(client) == []


def test_each_of_several_jobs_is_an_act_of_its_own(sauron: Sauron, client: Client) -> None:
    done = bulk(client, "disable", "nightly-backup", "digest", confirm="yes", reason="move", tz="Asia/Tokyo")
    assert (done.status, done.headers["location"]) == (303, "/ui/jobs?did=all_disabled&tz=Asia/Tokyo")
    assert acts(client) == [("disable", "nightly-backup", "done"), ("disable", "digest", "done")]
    assert [
        client.get(f"/jobs/{job}").json["override"]["reason"] for job in ("digest", "nightly-backup")
    ] == [
        "move",
        "move",
    ]
    bulk(client, "enable", "nightly-backup", confirm="yes")
    assert client.get("/jobs/nightly-backup").json["enabled"]


def test_what_could_not_be_done_with_some_jobs_is_told_exactly(sauron: Sauron, client: Client) -> None:
    sent = {"confirm": "yes", "key": "k"}
    answer = bulk(client, "trigger", "nightly-backup", "digest", "nobody", **sent)
    assert answer.status == 200
    assert "Run: 1 of 3 done" in answer.body
    assert re.search(r"<b>digest</b><small>[^<]*disabled", answer.body)
    assert re.search(r"<b>nobody</b><small>There is no job", answer.body)
    bulk(client, "trigger", "nightly-backup", **sent)  # sent again: the run is there already
    assert len(client.get("/runs").json["runs"]) == 1
    assert [one[2] for one in acts(client)] == ["done", "refused", "refused", "done"]


@pytest.mark.parametrize(
    ("act", "jobs", "name"),
    [("trigger", (), "job: choose"), ("delete", ("digest",), "act"), ("", ("digest",), "act")],
)
def test_a_form_for_several_jobs_that_cannot_be_read_names_the_field(
    sauron: Sauron, client: Client, act: str, jobs: tuple[str, ...], name: str
) -> None:
    answer = bulk(client, act, *jobs)
    assert answer.status == 422
    assert f"{name}" in answer.body


def test_switching_several_jobs_needs_the_scope_of_switching_one(build: Build, clock: ManualClock) -> None:
    sauron = build(SAURON_API_TOKENS="ann:trigger:trigger-token-1")
    define(sauron.store, clock, "digest", "0 8 * * *")
    client = basic("trigger-token-1")
    assert bulk(client, "disable", "digest", confirm="yes").status == 403
    assert bulk(client, "trigger", "digest", confirm="yes").status == 303


def test_the_list_has_a_box_for_each_job_and_a_form_for_the_chosen(sauron: Sauron, client: Client) -> None:
    page = client.get("/ui/jobs").body
    assert re.findall(r'type="checkbox" name="job" value="([^"]+)" form="bulk"', page) == [
        "nightly-backup",
        "digest",
    ]
    assert re.findall(r'name="act" value="(\w+)"', page) == ["trigger", "enable", "disable"]


@pytest.mark.parametrize(("act", "until"), [("disable", ""), ("disable", "2026-03-05T08:00"), ("enable", "")])
def test_a_job_without_a_schedule_of_its_own_is_switched_like_any_other(
    sauron: Sauron, client: Client, clock: ManualClock, act: str, until: str
) -> None:
    define(sauron.store, clock, "verify", "", after=["nightly-backup"])
    if act == "enable":
        client.post("/jobs/verify/disable")
    page = told(client.get(f"/ui/jobs/verify/{act}?until={until}"))
    assert "after nightly-backup" in page
    assert ("Comes back by itself" in page) == bool(until)
    assert send(client, f"/ui/jobs/verify/{act}", until=until, confirm="yes").status == 303
    assert client.get("/jobs/verify").json["enabled"] == (act == "enable")
    bulk = send(client, "/ui/jobs", ("job", "verify"), ("job", "digest"), act=act)
    assert bulk.status == 200


def test_switching_a_job_off_says_what_is_skipped_with_it(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "verify", "", after=["nightly-backup"])
    assert "verify is skipped with it" in told(client.get("/ui/jobs/nightly-backup/disable"))
    define(sauron.store, clock, "report", "", after=["verify"])
    assert "verify and report are skipped with it" in told(client.get("/ui/jobs/nightly-backup/disable"))
    client.post("/jobs/verify/disable")
    assert "with it" not in told(client.get("/ui/jobs/nightly-backup/disable"))
