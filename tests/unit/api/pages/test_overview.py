from __future__ import annotations

import re
from datetime import timedelta

from chalicelib.model.runs import RunState
from chalicelib.model.usage import Point, measured
from chalicelib.store import alerts, incidents, silences
from chalicelib.store.queue import leases
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client, begin, trigger
from tests.unit.api.conftest import Build


def without_tags(page: str) -> str:
    return re.sub("</?time[^>]*>", "", page)


def test_what_is_wrong_is_the_headline_and_the_title(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "mirror", "*/5 * * * *")
    sauron.membership.join()
    sauron.duties.tick()
    record(
        sauron.store,
        "nightly-backup",
        RunState.TIMED_OUT,
        clock.now() - timedelta(hours=9),
        error="Stopped after 1 h.",
    )
    sauron.duties.review()
    page = client.get("/").body
    assert "<title>1 failing · Sauron</title>" in page
    assert "2 of 3 jobs are well." in page
    assert "Stopped after 1 h." in page
    assert "All is well" not in page
    assert "What is wrong" not in page


def test_a_job_that_fails_says_since_when_and_who_knows(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = record(
        sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(hours=9), error="no room"
    )
    with sauron.store.write() as tx:
        incidents.begin(
            tx,
            "nightly-backup",
            "failing",
            reason="no room",
            since=clock.now() - timedelta(days=3),
            told_at=clock.now() - timedelta(minutes=20),
            job_id="nightly-backup",
            run_id=run,
        )
    page = client.get("/").body
    assert "failed, since <time" in page
    assert ">Fri 12:00</time>" in page
    assert "People were told 20 min ago." in without_tags(page)
    assert f'action="/ui/runs/{run}/retry"' in page


def test_a_job_that_a_person_switched_off_says_who_why_and_until_when(sauron: Sauron, client: Client) -> None:
    client.post("/jobs/nightly-backup/disable", {"reason": "the disks move", "until": "2026-03-04T08:00:00Z"})
    page = client.get("/").body
    assert "off until Wed 08:00" in page
    assert "\u201cthe disks move\u201d" in page
    assert 'action="/ui/jobs/nightly-backup/enable"' in page


def test_a_run_in_progress_stands_beside_its_usual_duration(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    now = clock.now()
    for days in (1, 2, 3):
        record(sauron.store, "nightly-backup", RunState.SUCCEEDED, now - timedelta(days=days), seconds=240)
    record(
        sauron.store,
        "nightly-backup",
        RunState.RUNNING,
        now - timedelta(seconds=120),
        progress=0.4,
        progress_note="table 4",
    )
    page = client.get("/").body
    assert "2 of 4 min" in page
    assert "about 2 min left" in page
    assert "40 %, table 4" in page
    clock.move(seconds=180)
    page = client.get("/").body
    assert "5 min, usually 4 min" in page
    assert "stopped in 0 s" in page


def test_a_run_in_progress_says_for_how_long_its_progress_stands_still_and_what_it_uses(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    trigger(client)
    run = begin(sauron, clock)
    used = measured(None, Point(355, 1536, 0.8), ("pg_dump", "<gzip>, \u202eh"))
    with sauron.store.write() as tx:
        leases.note_progress(tx, run, owner="runner-1", fraction=0.4, note="table 4", now=clock.now())
        leases.note_usage(tx, run, used, owner="runner-1")
    clock.move(minutes=6)
    page = client.get("/").body
    assert "40 %, table 4, for 6 min" in without_tags(page)
    assert "1.5 GB, processor 80 %; runs <code>pg_dump</code>, <code>&lt;gzip&gt;, h</code>" in page
    clock.move(minutes=4)
    assert "1.5 GB, processor 80 %, 4 min ago; runs" in client.get("/").body


def test_a_failing_builtin_job_is_not_hidden(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    define(sauron.store, clock, "sauron.backup", "0 4 * * *")
    assert "sauron.backup" not in client.get("/").body
    record(sauron.store, "sauron.backup", RunState.FAILED, clock.now(), error="the disk is full")
    sauron.duties.review()
    assert "the disk is full" in client.get("/").body


def test_a_definition_without_a_job_is_told_beside_the_jobs(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    with sauron.store.write() as tx:
        incidents.begin(
            tx,
            "manifest.py:61",
            "rejected",
            reason="the hour 25 does not exist",
            since=clock.now(),
            told_at=None,
            job_id=None,
            run_id=None,
        )
    page = client.get("/").body
    assert "What is wrong" in page
    assert "the hour 25 does not exist" in page


def test_the_parts_of_sauron_say_how_they_are(build: Build, client: Client) -> None:
    sauron = build(JOBS_GIT_REPO_URL="https://git.test/jobs.git")
    page = client.get("/").body
    assert "stopped; has not ticked yet" in page
    assert "not synced yet" in page
    sauron.membership.join()
    sauron.duties.tick()
    assert "ticked now" in without_tags(client.get("/").body)


def test_every_page_but_the_overview_says_how_many_fail(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = record(sauron.store, "nightly-backup", RunState.FAILED, clock.now())
    sauron.duties.review()
    for path in ("/ui/jobs", "/ui/runs", f"/ui/runs/{run}"):
        page = client.get(path).body
        assert ("1 failing</a>" in page, "fill='%23e0352a'" in page) == (True, True)  # and its icon is red


def failing_for_two_nights(sauron: Sauron, clock: ManualClock) -> str:
    """Let the nightly backup end well once and then fail twice; return the newest run."""
    night = clock.now() - timedelta(hours=9)
    for days, state in ((2, RunState.SUCCEEDED), (1, RunState.FAILED)):
        record(sauron.store, "nightly-backup", state, night - timedelta(days=days))
    run = record(sauron.store, "nightly-backup", RunState.FAILED, night, error="the <disk> is full")
    sauron.duties.review()
    return run


def test_a_job_that_fails_says_how_often_and_who_was_told(
    build: Build, client: Client, clock: ManualClock
) -> None:
    mail = {"ALERT_EMAIL": "night@ops.test", "FROM_EMAIL": "s@ops.test"}
    sauron = build(**mail, SAURON_ALERT_WEBHOOK_URL="https://hook.test/")
    define(sauron.store, clock, "nightly-backup", "0 3 * * *")
    failing_for_two_nights(sauron, clock)
    said = "2 runs failed in a row; the last good one ended 2 d ago."
    page = without_tags(client.get("/").body)
    assert f"{said} Not sent yet: night@ops.test and the webhook." in page
    with sauron.store.write() as tx:
        (owed,) = alerts.claim(tx, "mail", now=clock.now(), until=clock.now(), most=5)
        alerts.sent(tx, [owed.id], now=clock.now())
    assert f"{said} Told night@ops.test, last now. Not sent yet: the webhook." in without_tags(
        client.get("/").body
    )


def test_one_failure_is_not_called_a_row(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, clock.now() - timedelta(days=1))
    record(sauron.store, "nightly-backup", RunState.FAILED, clock.now())
    sauron.duties.review()
    page = without_tags(client.get("/").body)
    assert "The last run failed; the last good one ended 23 h ago." in page


def test_a_mark_that_is_not_well_leads_to_its_run_and_says_why(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run = failing_for_two_nights(sauron, clock)
    page = client.get("/").body
    link = page.partition(f'<a href="/ui/runs/{run}"><title>')[2].partition("</a>")[0]
    assert link == 'failed 03:00: the &lt;disk&gt; is full</title><path class="failed" d="M900 2v22"/>'
    assert 'aria-label="last 24 hours: 1 failed; next 24 hours: 1 to come"' in page


def test_the_time_in_which_sauron_was_down_is_shaded_through_all_rows(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    since = clock.now() - timedelta(hours=12)
    with sauron.store.write() as tx:
        silences.note(tx, since=since, until=since + timedelta(minutes=47))
    page = client.get("/").body
    assert page.count('<rect class="down" x="720" width="47" height="26"/>') == 1  # the other rows use it
    assert page.count('<use href="#hours"/>') == 1
    assert ">down 47 min</text>" in page
    assert "Sauron was down for 47 min, until <time" in page


def test_a_job_that_is_late_says_by_how_much(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    since = clock.now() - timedelta(minutes=17)
    with sauron.store.write() as tx:
        incidents.begin(
            tx,
            "nightly-backup",
            "late",
            reason="it waits",
            since=since,
            told_at=None,
            job_id="nightly-backup",
            run_id=None,
        )
    assert '<td class="next late">17 min late</td>' in client.get("/").body
    assert '<td class="number late">17 min late</td>' in client.get("/ui/jobs").body


def test_what_else_wants_a_person_is_counted_in_a_sentence(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for job_id in ("a", "b", "c"):
        define(sauron.store, clock, job_id, "0 3 * * *")
    for job_id in ("a", "b"):
        record(sauron.store, job_id, RunState.DEGRADED, clock.now() - timedelta(hours=1))
    client.post("/jobs/c/disable")
    page = client.get("/").body
    assert "2 are degraded, one is off." in page
    assert "Nobody is told about degraded runs." in page


def test_when_all_is_well_the_page_says_since_when_nothing_failed(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    record(sauron.store, "nightly-backup", RunState.FAILED, clock.now() - timedelta(days=3), seconds=0)
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, clock.now() - timedelta(days=2))
    sauron.membership.join()
    sauron.duties.tick()
    page = client.get("/").body
    assert "All is well." in page
    assert "Nothing has failed since <time" in page
    assert ">Fri 12:00</time>. Next:" in page


def test_a_run_beyond_its_usual_duration_is_measured_by_its_limit(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    now = clock.now()
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, now - timedelta(days=1), seconds=100)
    record(sauron.store, "nightly-backup", RunState.RUNNING, now - timedelta(seconds=200))
    page = client.get("/").body
    # the limit of 300 s stands at 94 of 100, so the usual 100 s at 31 and the 200 s at 63
    assert '<path class="done" d="M0 4H31"/><path class="done slow" d="M31 4H63"/>' in page
    assert '<path class="limit" d="M94 0V8"/>' in page


def test_the_parts_say_how_fresh_the_copy_the_alerts_and_life_hub_are(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(DATABASE_URL="postgresql://hub@hub.test/hub", SAURON_WORKERS="4")
    define(sauron.store, clock, "mirror", "*/5 * * * *")
    page = without_tags(client.get("/").body)
    assert "0 running, " in page
    assert "copied" not in page
    assert "<dd>all sent</dd>" in page
    sauron.membership.join()
    record(sauron.store, "mirror", RunState.RUNNING, clock.now())
    record(sauron.store, "sauron.backup", RunState.SUCCEEDED, clock.now() - timedelta(hours=9), seconds=0)
    with sauron.store.write() as tx:
        alerts.put(tx, ["mail"], "job.failing", {"subject": "mirror", "kind": "failing"}, now=clock.now())
        (owed,) = alerts.claim(tx, "mail", now=clock.now(), until=clock.now(), most=5)
        alerts.sent(tx, [owed.id], now=clock.now() - timedelta(minutes=16))
    clock.move(seconds=240)
    page = without_tags(client.get("/").body)
    assert "1 of 4 busy, 0 queued" in page
    assert " MB, copied 9 h ago" in page
    assert "all sent, last 20 min ago" in page
    assert re.search(r"\d rows? waits?, 4 min</dd>", page)


def test_a_job_stands_once_in_the_next_hour_however_often_it_fires(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    define(sauron.store, clock, "probe", "* * * * *")
    define(sauron.store, clock, "space", "*/10 * * * *")
    define(sauron.store, clock, "prune", "10 12 * * *")
    section = client.get("/").body.partition('<dl class="soon">')[2].partition("</dl>")[0]
    said = " ".join(re.sub("<[^>]*>", " ", section).split()).replace(" ,", ",")
    assert said == "12:01 probe every minute 12:10 prune, space every 10 minutes"
