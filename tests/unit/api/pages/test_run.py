from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from chalicelib.model.runs import Outcome, RunState, Verdict
from chalicelib.model.usage import Point, Usage, measured
from chalicelib.store.queue import finish, leases
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.recorded_runs import record
from tests.unit.api.client import Client, begin, execute, trigger


def headline(page: str) -> str:
    found = re.search("<h1>(.*?)</h1>", page)
    assert found
    return " ".join(re.sub("<[^>]+>", "", found[1]).split())


def test_each_state_says_what_comes_next(sauron: Sauron, client: Client, clock: ManualClock) -> None:
    said = {
        RunState.FAILED: "Mend what the error says",
        RunState.TIMED_OUT: "larger timeout_seconds",
        RunState.DEGRADED: "its result says what",
        RunState.CANCELLED: "Run it again when it may go on",
        RunState.SKIPPED: "is not made up for",
        RunState.MISSED: "These are 3 occurrences of one gap.",
    }
    for number, (state, text) in enumerate(said.items()):
        at = clock.now() - timedelta(hours=number + 1)
        gap: dict[str, Any] = {}
        if state is RunState.MISSED:
            gap = {"gap_count": 3, "gap_from": at - timedelta(hours=2)}
        run_id = record(sauron.store, "nightly-backup", state, at, reason="the disk was away", **gap)
        page = client.get(f"/ui/runs/{run_id}").body
        assert headline(page) == f"{state.replace('_', ' ').capitalize()}: nightly-backup"
        assert text in page, state
        assert "the disk was away" in page, state
        assert 'class="meter"' not in page
        assert f"/ui/jobs/nightly-backup?at={at.strftime('%Y-%m-%dT%H')}" in page


def test_a_run_between_two_attempts_says_when_the_next_begins(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    assert "Attempt 1 of 3 is due. It begins when a worker is free" in client.get(f"/ui/runs/{run_id}").body
    execute(sauron, clock, Verdict(Outcome.FAILED, error="refused"), retry_in=timedelta(seconds=61))
    page = client.get(f"/ui/runs/{run_id}").body
    assert headline(page) == "Waiting to try again: nightly-backup"
    assert "Attempt 2 of 3 begins in 61 s." in page
    assert "refused" in page


def test_progress_is_time_beside_what_is_usual_and_the_limit(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, clock.now() - timedelta(days=1), seconds=75)
    run_id = trigger(client)
    begin(sauron, clock)
    for seconds, done, slow in ((30, 100, False), (120, 500, True)):
        clock.move(seconds=seconds)
        page = client.get(f"/ui/runs/{run_id}").body
        bar = re.search(
            r'<path class="done( slow)?" d="M0 5H(\d+)"/><path class="usual" d="M(\d+) 0V10"/>', page
        )
        assert bar
        assert (int(bar[2]), int(bar[3]), bool(bar[1])) == (done, 250, slow), seconds
    assert "usually 1 min 15 s" in page
    assert "limit 5 min<" in page


def usage_on(page: str) -> str:
    found = re.search('<section aria-labelledby="uses">(.*?)</section>', page, re.DOTALL)
    return " ".join(re.sub("<[^>]+>", " ", found[1]).split()) if found else ""


def test_what_an_attempt_uses_is_drawn_while_it_runs_and_afterwards(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    run = begin(sauron, clock)
    assert usage_on(client.get(f"/ui/runs/{run_id}").body) == ""
    used: Usage | None = None
    for number, (memory, processors) in enumerate([(40, 1.5), (90, 0.5), (60, 0.25)], start=1):
        used = measured(used, Point(10 * number, memory, processors), ("pg_dump",))
    with sauron.store.write() as tx:
        assert used
        leases.note_usage(tx, run, used, owner="runner-1")
    clock.move(seconds=33)
    page = client.get(f"/ui/runs/{run_id}").body
    said = usage_on(page)
    assert "all processes of attempt 1, measured 3 s ago ; it also runs pg_dump" in said
    assert "60 MB now, at most 90 MB; it has no limit of its own." in said
    assert "25 % now, 75 % on average; 100 % is one processor, all the time." in said
    assert '<td class="number">60 MB<small>now</small>' in page
    lines = re.findall(r'<path class="line" d="M([^"]+)"', page)
    assert [line.count("L") for line in lines] == [2, 2, 2, 2]
    clock.move(minutes=5)
    said = usage_on(client.get(f"/ui/runs/{run_id}").body)
    assert "measured 5 min ago" in said
    assert "At most 90 MB" in said
    with sauron.store.write() as tx:
        done = Verdict(Outcome.SUCCEEDED, max_rss_kb=50 << 10)
        assert finish.finish(tx, run, done, owner="runner-1", now=clock.now(), retry_at=None)
    page = client.get(f"/ui/runs/{run_id}").body
    said = usage_on(page)
    assert '<td class="number">90 MB</td>' in page
    assert "all processes of attempt 1 Memory" in said
    assert "At most 90 MB; it has no limit" in said
    assert "75 % on average" in said
    assert "now" not in said


def test_a_large_value_is_folded_and_a_page_stays_small(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    run_id = trigger(client)
    assert "<dt>n</dt><dd><code>1</code>" in client.get(f"/ui/runs/{run_id}").body
    execute(sauron, clock, Verdict(Outcome.SUCCEEDED, result={"rows": ["<&>\"'" * 9] * 900}))
    page = client.get(f"/ui/runs/{run_id}").body
    assert "<details><summary>" in page
    assert len(page.encode()) < 100_000


def test_a_run_in_progress_says_how_long_it_still_takes_and_what_the_last_one_returned(
    sauron: Sauron, client: Client, clock: ManualClock
) -> None:
    before = clock.now() - timedelta(days=1)
    record(sauron.store, "nightly-backup", RunState.SUCCEEDED, before, seconds=240, result={"files": 7})
    trigger(client)
    run = begin(sauron, clock)
    clock.move(seconds=60)
    page = re.sub("</?time[^>]*>", "", client.get(f"/ui/runs/{run.id}").body)
    assert "attempt 1 of 3 began 60 s ago on " in page
    assert "About 3 min left." in page
    assert "Not yet. The last one, 23 h ago:" in page
    assert "&#34;files&#34;: 7" in page
    clock.move(seconds=200)
    page = client.get(f"/ui/runs/{run.id}").body
    assert "Stopped in 40 s." in page
