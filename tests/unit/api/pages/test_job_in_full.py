"""What the page of a job says of its past, its settings and its code."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

from chalicelib.model.runs import Outcome, RunState, Verdict
from chalicelib.store import bundle, ledger, registry
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.recorded_runs import record
from tests.unit.api.client import Client, execute, trigger
from tests.unit.api.conftest import Build


def send(client: Client, path: str, **fields: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.ask("POST", path, urlencode(fields).encode(), kind).status == 303


def test_the_note_says_the_cure(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    record(
        sauron.store, "nightly-backup", RunState.TIMED_OUT, clock.now() - timedelta(hours=2), error="Stopped."
    )
    sauron.duties.review()
    assert (
        "Cure: raise timeout_seconds at manifest.py:1, or give it less to do."
        in client.get("/ui/jobs/nightly-backup").body
    )


def test_the_page_says_who_switched_the_job_and_why(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    send(client, "/ui/jobs/nightly-backup/disable", reason="bucket moves", confirm="yes")
    clock.move(hours=2)
    send(client, "/ui/jobs/nightly-backup/enable")
    clock.move(hours=1)
    send(client, "/ui/jobs/nightly-backup/disable", reason="it fails <b>", confirm="yes")
    page = client.get("/ui/jobs/nightly-backup").body
    told = re.findall("<li>.*?</li>", page.partition("Switched before")[2])
    assert "Off, switched by somebody now: \u201cit fails &lt;b&gt;\u201d." in re.sub("<[^>]*>", "", page)
    assert [re.sub("<[^>]*>", "", one) for one in told[:2]] == [
        "14:00 to 15:00 on",
        "12:00 to 14:00 off: \u201cbucket moves\u201d",
    ]


def test_every_policy_is_said_in_words(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    policies = {"overlap": "queue", "catchup": "all", "catchup_max": 7, "max_attempts": 1, "alert_after": 3}
    define(sauron.store, clock, "one", "0 3 * * *", secrets=[], jitter_minutes=5, **policies)
    page = client.get("/ui/jobs/one").body
    for words in (
        "queue: an occurrence waits for the run before it",
        "all: up to 7 missed ones are made good, within 24 h",
        "one; each is stopped after 5 min",
        "up to 5 min after its time",
        "after 3 failed runs in a row",
        "<dt>Secrets</dt><dd>none</dd>",
    ):
        assert words in page, words


def test_the_code_of_the_job_is_shown_as_its_revision_holds_it(
    build: Build, client: Client, clock: ManualClock
) -> None:
    sauron = build(MAIL_PASSWORD="hidden-word-7")
    folder = sauron.settings.jobs_dir / "revisions" / ("a" * 40)
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "sample.py").write_text("def run():\n    return '<script>hidden-word-7</script>'\n")
    define(sauron.store, clock, "one", "0 3 * * *", secrets=[{"key": "MAIL_PASSWORD", "required": True}])
    with sauron.store.write() as tx:
        bundle.add_revision(tx, "a" * 40, [], [], subject="Mail again", author="Ada", now=clock.now())
        bundle.mark_activated(tx, "a" * 40, now=clock.now() - timedelta(hours=3))
    page = client.get("/ui/jobs/one").body
    assert "<summary><code>jobs/sample.py:1</code></summary>" in page
    assert "return &#39;&lt;script&gt;" in page
    assert "Mail again <small>by Ada, in force since <time" in page
    define(sauron.store, clock, "two", "0 3 * * *", entrypoint="jobs.gone:run", place="gone.py:1")
    assert "The code is not here" in client.get("/ui/jobs/two").body


def test_what_the_last_runs_used_is_drawn_once_there_are_two(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    for megabytes, seconds in ((40, 3.0), (90, 200.0), (60, 9.0)):
        assert ('<section aria-labelledby="uses">' in client.get("/ui/jobs/nightly-backup").body) is (
            megabytes == 60
        )
        trigger(client)
        used = Verdict(Outcome.SUCCEEDED, max_rss_kb=megabytes << 10, cpu_seconds=seconds)
        execute(sauron, clock, used)
    page = client.get("/ui/jobs/nightly-backup").body
    assert "Usually 60 MB, at most 90 MB, the last time 60 MB." in page
    assert "Usually 9.0 s, at most 3 min 20 s, the last time 9.0 s." in page
    assert [line.count("L") for line in re.findall(r'<path class="line" d="M([^"]+)"', page)] == [2] * 4


def test_a_job_that_was_removed_shows_when_and_what_it_did(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    record(
        sauron.store,
        "nightly-backup",
        RunState.FAILED,
        clock.now() - timedelta(hours=9),
        error="the disk is full",
    )
    with sauron.store.write() as tx:
        bundle.add_revision(tx, "b" * 40, [], [], subject="Less", author="Ada", now=clock.now())
        bundle.mark_activated(tx, "b" * 40, now=clock.now())
        found = registry.job(tx, "nightly-backup")
        assert found
        ledger.retire(tx, found, now=clock.now(), revision="b" * 40)
    clock.move(hours=3)
    answer = client.get("/ui/jobs/nightly-backup")
    assert answer.status == 200
    assert "<title>nightly-backup: removed" in answer.body
    assert "This job was removed <time" in answer.body
    assert "bbbbbbb" in answer.body
    assert "the disk is full" in answer.body
    assert "it was removed" in answer.body
    assert "/ui/jobs/nightly-backup/" not in answer.body  # nothing can be done with it
    assert client.get("/jobs/nightly-backup").status == 404


def test_the_ledger_tells_how_late_a_run_began_and_leads_to_what_is_not_well(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    at = clock.now() - timedelta(hours=2)
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, at, due_at=at - timedelta(seconds=90))
    page = client.get("/ui/jobs/nightly-backup").body
    assert '<td class="number late">90 s</td>' in page
    link = page.partition('class="more" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert client.get(link).status == 200
    assert "No run matches." in client.get(link).body
